import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { commands } from '../../src/cli/commands.ts'
import { environmentSchema, ownVariables, secretVariables } from '../../src/config/environment.ts'
import { parseYaml } from '../support/plain-yaml.ts'

const files = readdirSync('deploy').filter((name) => name !== 'secrets')
const read = (name: string) => readFileSync(`deploy/${name}`, 'utf8')
const page = readFileSync('docs/operations.md', 'utf8')
const dockerfile = readFileSync('Dockerfile', 'utf8')

const known = [
  ...Object.keys(environmentSchema.shape),
  ...secretVariables.map((name) => `${name}_FILE`),
  'COATCHECK_CONFIG',
]

test.each(files)('the page shows deploy/%s as it is', (name) => {
  const blocks = [...page.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, text]) => text)
  expect(blocks).toContain(read(name))
  expect(page).toContain(`](../deploy/${name})`)
})

test.each([...files.map((name) => [`deploy/${name}`]), ['docs/operations.md']])(
  'every variable in %s is one the gateway reads',
  (path) => {
    const named = readFileSync(path, 'utf8').match(/\bCOATCHECK_[A-Z_]+/g) ?? []
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  },
)

test('commands in files and on the page are commands, and the program is where the image and the build put it', () => {
  const all = [page, ...files.map(read)].join('\n')
  const called = [...all.matchAll(/(?:dist\/cli\.js|^(?:COATCHECK_\S+ )*coatcheck) ([a-z]+)/gm)].map(
    ([, name]) => name,
  )
  const first = new Set(commands.map(({ name }) => name.split(' ')[0]))
  expect(called.length).toBeGreaterThan(6)
  expect(called.filter((name) => !first.has(name))).toEqual([])
  expect(dockerfile).toContain('ENTRYPOINT ["node", "dist/cli.js"]')
})

/** `Name=value` lines of a unit, by name. */
function unit(name: string): Map<string, string[]> {
  const settings = new Map<string, string[]>()
  for (const line of read(name).split('\n')) {
    if (line === '' || line.startsWith('#') || /^\[(Unit|Service|Install|Timer)\]$/.test(line)) continue
    const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    expect(key, line).not.toBe('')
    settings.set(key, [...(settings.get(key) ?? []), value])
  }
  return settings
}

/** The environment of a unit, with what its credentials are as files. */
function environmentOf(settings: Map<string, string[]>) {
  const shared = read('environment')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
  const lines = [...shared, ...(settings.get('Environment') ?? [])]
  return Object.fromEntries(
    lines.map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
  )
}

const secretFile = (path: string): string => {
  if (path.endsWith('database_url')) return 'postgres://coatcheck:secret@postgres/coatcheck?sslmode=disable'
  if (path.endsWith('master_keys'))
    return `k1:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`
  if (path.endsWith('admin_token')) return 'cc_admin_0123456789abcdef0123456789abcdef'
  throw new Error(`${path} is no secret`)
}

/** What a gateway makes of such an environment. */
function configured(env: Record<string, string>) {
  const { variables, errors } = ownVariables(env, secretFile)
  expect(errors).toEqual([])
  return environmentSchema.parse(variables)
}

test('the units start a gateway that systemd gives its secrets, its folder and time to stop', () => {
  const serve = unit('coatcheck.service')
  const environment = configured(environmentOf(serve))
  expect(environment).toMatchObject({
    COATCHECK_ISSUER: 'https://auth.example.com',
    COATCHECK_DATABASE_URL: 'sqlite:/var/lib/coatcheck/coatcheck.db',
  })
  expect(environment.COATCHECK_MASTER_KEYS).toHaveLength(1)
  expect(environment.COATCHECK_ADMIN_TOKEN).toBeDefined()
  expect(serve.get('StateDirectory')).toEqual(['coatcheck'])
  expect(Number(serve.get('TimeoutStopSec')?.[0])).toBeGreaterThanOrEqual(30)
  const credentials = serve.get('LoadCredential')?.map((line) => line.split(':')[0])
  expect(credentials).toEqual(['master_keys', 'admin_token'])
  const backup = unit('coatcheck-backup.service')
  expect(configured(environmentOf(backup)).COATCHECK_DATABASE_URL).toBe(environment.COATCHECK_DATABASE_URL)
  expect(unit('coatcheck-backup.timer').get('OnCalendar')).toHaveLength(1)
})

test('the proxies lead to the port the gateway has, and believe nobody’s word about where they come from', () => {
  const { COATCHECK_PORT, COATCHECK_HOST } = configured(environmentOf(unit('coatcheck.service')))
  const at = `${COATCHECK_HOST}:${COATCHECK_PORT}`
  expect(read('Caddyfile')).toContain(`reverse_proxy ${at} {`)
  expect(read('nginx.conf')).toContain(`server ${at};`)
  expect(read('nginx.conf')).toContain('proxy_set_header X-Forwarded-For $remote_addr;')
  expect(read('nginx.conf')).not.toMatch(/log_format.*\$(request_uri|request|args|query_string)\b/)
  for (const name of ['Caddyfile', 'nginx.conf']) {
    const text = read(name).replace(/#.*/g, '')
    expect(text.match(/\{/g)?.length, name).toBe(text.match(/\}/g)?.length)
  }
})

const port = Number(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1])

const composeSchema = z.object({
  services: z.object({
    coatcheck: z.object({
      environment: z.record(z.string(), z.string()),
      secrets: z.string().array(),
      expose: z.string().array(),
      stop_grace_period: z.literal('30s'),
      read_only: z.literal(true),
    }),
    postgres: z.object({ environment: z.record(z.string(), z.string()), secrets: z.string().array() }),
    caddy: z.object({ command: z.string().array() }),
  }),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
  networks: z.object({
    default: z.object({ ipam: z.object({ config: z.object({ subnet: z.string() }).array() }) }),
  }),
})

test('the compose file starts the image on PostgreSQL behind a proxy, with every secret declared', () => {
  const { services, secrets, networks } = composeSchema.parse(parseYaml(read('compose.yaml'))[0])
  const { coatcheck, postgres, caddy } = services
  const environment = configured(coatcheck.environment)
  expect(environment.COATCHECK_DATABASE_URL).toMatch(/^postgres:.*@postgres\/coatcheck\?sslmode=disable$/)
  expect(environment.COATCHECK_ALLOW_UNPROVEN_DATABASE).toBe(true)
  expect(environment.COATCHECK_TRUSTED_PROXIES).toEqual([networks.default.ipam.config[0]?.subnet])
  expect(coatcheck.expose).toEqual([String(port)])
  expect(caddy.command.join(' ')).toContain(`--to coatcheck:${port}`)
  expect([...coatcheck.secrets, ...postgres.secrets].toSorted()).toEqual(Object.keys(secrets).toSorted())
  for (const name of Object.keys(secrets)) expect(page).toContain(`> secrets/${name}`)
})

const probeSchema = z.object({ httpGet: z.object({ path: z.string(), port: z.literal('http') }) })
const deploymentSchema = z.object({
  kind: z.literal('Deployment'),
  spec: z.object({
    replicas: z.number().min(2),
    template: z.object({
      spec: z.object({
        terminationGracePeriodSeconds: z.number().min(35),
        securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.literal(1000) }),
        containers: z.tuple([
          z.object({
            args: z.tuple([z.literal('serve')]),
            env: z.object({ name: z.string(), value: z.string() }).array(),
            ports: z.object({ name: z.string(), containerPort: z.number() }).array(),
            startupProbe: probeSchema,
            livenessProbe: probeSchema,
            readinessProbe: probeSchema,
            securityContext: z.object({ readOnlyRootFilesystem: z.literal(true) }),
            volumeMounts: z.object({ mountPath: z.string() }).array(),
          }),
        ]),
      }),
    }),
  }),
})

test('the manifests run gateways that are asked for their health where they tell it', () => {
  const documents = parseYaml(read('kubernetes.yaml'))
  const kinds = documents.map((document) => z.object({ kind: z.string() }).parse(document).kind)
  expect(kinds).toEqual(['Deployment', 'Service', 'PodDisruptionBudget', 'Ingress'])
  const [container] = deploymentSchema.parse(documents[0]).spec.template.spec.containers
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  const { COATCHECK_METRICS_PORT } = configured(env)
  const [mount] = container.volumeMounts
  expect(Object.values(env).filter((value) => value.startsWith('/run'))).toEqual(
    ['database_url', 'master_keys', 'admin_token'].map((name) => `${mount?.mountPath}/${name}`),
  )
  const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]))
  expect(ports).toEqual({ http: port, metrics: COATCHECK_METRICS_PORT })
  const paths = [container.startupProbe, container.livenessProbe, container.readinessProbe].map(
    ({ httpGet }) => httpGet.path,
  )
  expect(paths).toEqual(['/healthz', '/healthz', '/readyz'])
  const health = readFileSync('src/endpoints/health.ts', 'utf8')
  for (const path of paths) expect(health).toContain(`scope.get('${path}'`)
})

test('what the page says of the image is so', () => {
  expect(dockerfile).toContain('USER node')
  expect(dockerfile).toContain('VOLUME /data')
  expect(existsSync('deploy/secrets')).toBe(false)
})

test.each([
  ['a: b\nc:\n  - 1\n  - d: "e"\n    f: ["g"]\n', { a: 'b', c: [1, { d: 'e', f: ['g'] }] }],
  ['a:\nb: true\n', { a: '', b: true }],
])('plain YAML is read as what it says: %j', (source, value) => {
  expect(parseYaml(source)).toEqual([value])
})

test.each([
  'a: &b c\n',
  'a: yes\n',
  'a: |\n  b\n',
  '\ta: b\n',
  'a: b\n   c: d\n',
  'a: b\na: c\n',
  'a: b # c\n',
])('what is more than plain YAML is not read: %j', (source) => {
  expect(() => parseYaml(source)).toThrow()
})
