import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { z } from 'zod'
import { loadConfig } from '../../src/config/config.ts'
import { environmentSchema, secretVariables } from '../../src/config/environment.ts'
import { lifetimesSchema, limitsSchema } from '../../src/config/settings.ts'
import { startTestGateway } from '../support/gateway.ts'

const page = readFileSync('docs/configuration.md', 'utf8')
const variables = [...Object.keys(environmentSchema.shape), 'COATCHECK_CONFIG']
const twins = secretVariables.map((name) => `${name}_FILE`)

/** The rows of the page's tables, by the name their first cell holds. */
const rows = new Map(
  [...page.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name = '', cells = '']) => [
    name,
    cells.split('|').map((cell) => cell.trim()),
  ]),
)

test('every variable has its row, with the default it has', () => {
  const shown = Object.fromEntries(variables.map((name) => [name, rows.get(name)?.[0]]))
  const config = loadConfig({}, () => '')
  expect(shown).toEqual({
    COATCHECK_ISSUER: `\`${config.issuer}\``,
    COATCHECK_HOST: `\`${config.host}\``,
    COATCHECK_PORT: `\`${config.port}\``,
    COATCHECK_METRICS_PORT: config.metricsPort === undefined ? 'off' : undefined,
    COATCHECK_WORKERS: `\`${config.workers}\``,
    COATCHECK_DATABASE_URL: `\`${config.databaseUrl}\``,
    COATCHECK_DATABASE_CONNECTIONS: `\`${config.database.connections}\``,
    COATCHECK_DATABASE_TIMEOUT: `\`${config.database.timeout}\``,
    COATCHECK_MASTER_KEYS: 'generated',
    COATCHECK_KEY_SERVICE_URL: 'none',
    COATCHECK_KEY_SERVICE_TOKEN: 'none',
    COATCHECK_KEY_SERVICE_USE: '`seal`',
    COATCHECK_ADMIN_TOKEN: 'generated',
    COATCHECK_TRUSTED_PROXIES: 'none',
    COATCHECK_CONFIG: 'none',
    COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: `\`${config.allowLoopbackUpstreams}\``,
    COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER: '`false`',
    COATCHECK_ALLOW_UNPROVEN_DATABASE: `\`${config.allowUnprovenDatabase}\``,
    COATCHECK_LOG_LEVEL: `\`${config.logLevel}\``,
  })
})

test('the README names every variable', () => {
  const readme = readFileSync('README.md', 'utf8')
  expect(variables.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
})

test('every secret has its twin named', () => {
  expect(twins.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})

test('no page of this repository names a variable that is not there', () => {
  const known = new Set([...variables, ...twins])
  const pages = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'Dockerfile', ...globSync('docs/**/*.md')]
  const named = pages.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\bCOATCHECK_[A-Z_]*[A-Z]\b/g)].map(
      ([name]) => `${path}: ${name}`,
    ),
  )
  expect(named.length).toBeGreaterThan(variables.length)
  expect(named.filter((line) => !known.has(line.split(': ')[1] ?? ''))).toEqual([])
})

const number = (value: number | null | undefined) => value?.toLocaleString('en-US')

/** Default and bounds of a setting, as a row shows them. */
function described(setting: z.ZodDefault<z.ZodInt>): string[] {
  const { minValue, maxValue } = setting.unwrap()
  return [number(setting.parse(undefined)) ?? '', `${number(minValue)} to ${number(maxValue)}`]
}

test.each(
  Object.entries({ ...lifetimesSchema.shape, ...limitsSchema.shape }).map(([name, setting]) => ({
    name,
    setting,
  })),
)('$name stands there with its default and its bounds', ({ name, setting }) => {
  expect(rows.get(name)?.slice(0, 2)).toEqual(described(setting))
})

test('no setting stands there that is not one', () => {
  const known = [...variables, ...Object.keys(lifetimesSchema.shape), ...Object.keys(limitsSchema.shape)]
  expect([...rows.keys()].toSorted()).toEqual(known.toSorted())
})

const example: unknown = JSON.parse(/```json\n(.*?)```/s.exec(page)?.[1] ?? '')
const secrets = { GITHUB_CLIENT_SECRET: 'of github', EDITOR_SECRET: 'made by a machine, 32 characters' }

test('the example file loads, for a public gateway', () => {
  const files = new Map([
    ['config.json', JSON.stringify(example)],
    ['/run/secrets/sso', 'of sso\n'],
  ])
  const env = {
    ...secrets,
    COATCHECK_ISSUER: 'https://auth.example.com',
    COATCHECK_MASTER_KEYS: `k1:${Buffer.from('a key of thirty-two bytes to use').toString('base64')}`,
    COATCHECK_CONFIG: 'config.json',
  }
  const { declarations, lifetimes, limits } = loadConfig(env, (path) => files.get(path) ?? '')
  expect(Object.keys(declarations.providers)).toEqual(['github', 'sso'])
  expect(declarations.providers.sso?.client_secret).toBe('of sso')
  expect(declarations.clients[0]).toMatchObject({ id: 'editor', trusted: true })
  expect(lifetimes.access_token).toBe(1800)
  expect(limits.sessions_per_client).toBe(5)
})

test('a gateway starts with the example file', async () => {
  const gateway = await startTestGateway({ file: example, env: () => secrets })
  const { items } = await gateway.admin<{ items: { id: string; origin: string }[] }>('GET', '/resources')
  await gateway.stop()
  expect(items).toMatchObject([{ id: 'notes', origin: 'config' }])
})
