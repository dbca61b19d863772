import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { environmentSchema, secretVariables } from '../../src/config/environment.ts'
import { limitsSchema } from '../../src/config/settings.ts'
import { answerDeadline } from '../../src/limits/load.ts'
import { configured, environmentOf, read, unit } from '../support/deployment.ts'
import { parseYaml } from '../support/plain-yaml.ts'
import { checkCall, wordsOf } from '../support/shown-calls.ts'

const files = readdirSync('deploy').filter((name) => name !== 'secrets')
const page = readFileSync('docs/operations.md', 'utf8')
const keysPage = readFileSync('docs/operations-keys.md', 'utf8')
const configurationPage = readFileSync('docs/configuration.md', 'utf8')
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

const shown = [page, keysPage, ...files.map(read)].join('\n')
const calls = [
  ...shown.matchAll(/(?:dist\/cli\.js|^ *(?:COATCHECK_\S+ )*coatcheck) ([a-z].*?)(?: +[#<] .*|')?$/gm),
]
const mentions = [...`${page}${keysPage}`.matchAll(/`coatcheck ([a-z][^`]*)`/g)]

test.each([...new Set(calls.map(([, call = '']) => call))])(
  'coatcheck %s, of a file or a page, is a call that is taken',
  (call) => {
    expect(() => checkCall(wordsOf(call))).not.toThrow()
  },
)

test.each([...new Set(mentions.map(([, call = '']) => call))])(
  'coatcheck %s, which a page mentions, is taken as far as it goes',
  (call) => {
    expect(() => checkCall(wordsOf(call), 'mention')).not.toThrow()
  },
)

test('pages and files show calls, and the program is where the image and the build put it', () => {
  expect(calls.length).toBeGreaterThan(10)
  expect(mentions.length).toBeGreaterThan(10)
  expect(dockerfile).toContain('ENTRYPOINT ["node", "dist/cli.js"]')
})

test('whatever stops a gateway waits for what it may take to answer what is under way', () => {
  const { upstream_deadline, discovery_deadline } = limitsSchema.parse({})
  const [, atDocker] = /--stop-timeout (\d+)/.exec(page) ?? []
  const [, inPod] = /terminationGracePeriodSeconds: (\d+)/.exec(read('kubernetes.yaml')) ?? []
  const [, preStop] = /sleep:\n +seconds: (\d+)/.exec(read('kubernetes.yaml')) ?? []
  const [, atCompose] = /stop_grace_period: (\d+)s/.exec(read('compose.yaml')) ?? []
  const [, said] = /let whatever stops it wait for (\d+) seconds/.exec(configurationPage) ?? []
  const wait = Number(unit('coatcheck.service').get('TimeoutStopSec')?.[0])
  expect(wait).toBeGreaterThanOrEqual(answerDeadline / 1000 + upstream_deadline + discovery_deadline + 5)
  expect([atDocker, atCompose, said, Number(inPod) - Number(preStop)].map(Number)).toEqual(
    Array(4).fill(wait),
  )
})

test('nginx lets through what the gateway takes, and waits for longer than it does', () => {
  const [, mebibytes] =
    /const mostBytes = (\d+) \* 1024 \* 1024/.exec(readFileSync('src/endpoints/tools.ts', 'utf8')) ?? []
  const [, atNginx] = /client_max_body_size (\d+)m;/.exec(read('nginx.conf')) ?? []
  const [, atIngress] = /proxy-body-size: (\d+)m/.exec(read('kubernetes.yaml')) ?? []
  expect(Number(atNginx)).toBeGreaterThan(Number(mebibytes))
  expect(atIngress).toBe(atNginx)
  expect(configurationPage).toMatch(new RegExp(`\\| \`body_bytes\` .*PUT /v1/tools.* ${mebibytes} MiB`))
  const [, seconds] = /proxy_read_timeout (\d+)s;/.exec(read('nginx.conf')) ?? []
  expect(Number(seconds)).toBeGreaterThan(answerDeadline / 1000)
  expect(read('nginx.conf')).toContain(`within ${answerDeadline / 1000} seconds`)
})

test('the proxies lead to the port the gateway has, and believe nobody’s word about where they come from', () => {
  const { COATCHECK_PORT, COATCHECK_HOST } = configured(environmentOf(unit('coatcheck.service')))
  const at = `${COATCHECK_HOST}:${COATCHECK_PORT}`
  expect(read('Caddyfile')).toContain(`reverse_proxy ${at}\n`)
  // One that writes nothing any more still answers much.
  expect(read('Caddyfile')).not.toContain('health_uri')
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
        securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.literal(1000) }),
        containers: z.tuple([
          z.object({
            args: z.tuple([z.literal('serve')]),
            env: z.object({ name: z.string(), value: z.string() }).array(),
            ports: z.object({ name: z.string(), containerPort: z.number() }).array(),
            startupProbe: probeSchema.extend({ failureThreshold: z.number().min(1800) }),
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

const networkPolicySchema = z.object({
  spec: z.object({
    ingress: z
      .object({ from: z.unknown().optional(), ports: z.object({ port: z.string() }).array() })
      .array(),
  }),
})

test('the manifests run gateways that are asked for their health where they tell it', () => {
  const documents = parseYaml(read('kubernetes.yaml'))
  const kinds = documents.map((document) => z.object({ kind: z.string() }).parse(document).kind)
  expect(kinds).toEqual(['Deployment', 'Service', 'PodDisruptionBudget', 'NetworkPolicy', 'Ingress'])
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
  // All pods have one database: by /readyz it would take them all away at once, with what needs no write.
  expect(paths).toEqual(['/healthz', '/healthz', '/healthz'])
  expect(readFileSync('src/endpoints/health.ts', 'utf8')).toContain("scope.get('/healthz'")
  const { ingress } = networkPolicySchema.parse(documents[3]).spec
  const toAll = ingress.filter(({ from }) => from === undefined).flatMap(({ ports: open }) => open)
  expect(toAll).toEqual([{ port: 'http' }])
  const { annotations } = z
    .object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) })
    .parse(documents[4]).metadata
  expect(annotations['nginx.ingress.kubernetes.io/enable-access-log']).toBe('false')
})

test('what the page says of the image is so', () => {
  expect(dockerfile).toContain('USER node')
  expect(dockerfile).toContain('VOLUME /data')
  expect(page).toMatch(/^chown 1000:1000 \/etc\/coatcheck\/master_keys \/etc\/coatcheck\/admin_token$/m)
})

test('the secrets that the page puts into the checkout are never committed', () => {
  expect(page).toContain('cd deploy && mkdir -m 0700 secrets')
  expect(readFileSync('.gitignore', 'utf8').split('\n')).toContain('deploy/secrets/')
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
