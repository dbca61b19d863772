import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Config, ConfigError, loadConfig } from '../../src/config/config.ts'
import { environmentSchema, secretVariables } from '../../src/config/environment.ts'
import { tokenAt } from '../../src/config/key-service.ts'

type Env = Record<string, string>
type Files = Record<string, string>

const goodKey = (id = 'one') => `${id}:${randomBytes(32).toString('base64')}`
const publicIssuer = { COATCHECK_ISSUER: 'https://auth.example', COATCHECK_MASTER_KEYS: goodKey() }

function load(env: Env = {}, files: Files = {}): Config {
  return loadConfig(env, (path) => {
    const content = files[path]
    if (content === undefined) throw new Error('no such file')
    return content
  })
}

/** The configuration file beside an environment. */
const loadFile = (file: unknown, env: Env = {}, files: Files = {}) =>
  load({ COATCHECK_CONFIG: 'config.json', ...env }, { 'config.json': JSON.stringify(file), ...files })

function errorsOf(attempt: () => unknown): readonly string[] {
  try {
    attempt()
  } catch (error) {
    if (error instanceof ConfigError) return error.errors
    throw error
  }
  return []
}

test('with nothing said at all, it is a gateway for this machine alone', () => {
  expect(load()).toMatchObject({
    issuer: 'http://localhost:8080',
    issuerIsLoopback: true,
    host: '127.0.0.1',
    port: 8080,
    databaseUrl: 'sqlite:data/coatcheck.db',
    masterKeys: undefined,
    adminToken: undefined,
    trustedProxies: [],
    allowLoopbackUpstreams: false,
    logLevel: 'info',
    lifetimes: { access_token: 3600, refresh_token: 2_592_000, code: 60 },
    limits: { sessions_per_client: 10 },
    declarations: { providers: {}, resources: {}, clients: [] },
  })
})

test('an empty variable is one that is not set', () => {
  expect(load({ COATCHECK_ADMIN_TOKEN: '', COATCHECK_MASTER_KEYS_FILE: '', COATCHECK_CONFIG: '' })).toEqual(
    load(),
  )
})

test('every error is named at once, those that follow from two values included', () => {
  const file = {
    lifetimes: { access_token: 1, refresh_token: 7200, refresh_token_absolute: 3600 },
    limit: {},
  }
  const env = {
    COATCHECK_ISSUER: 'https://auth.example',
    COATCHECK_PORT: 'http',
    COATCHECK_ADMIN_TOKEN: 'short',
    COATCHECK_LOG_LEVEL: 'loud',
    COATCHECK_DATABASE_URL: 'mysql://localhost/coats',
    COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
    COATCHECK_ISSUR: 'https://auth.example',
  }
  const errors = errorsOf(() => loadFile(file, env))
  const places = errors.map((error) => /^(?:config\.json: )?[^:]+/.exec(error)?.[0] ?? error)
  expect(places.toSorted()).toEqual(
    [
      'COATCHECK_PORT',
      'COATCHECK_ADMIN_TOKEN',
      'COATCHECK_LOG_LEVEL',
      'COATCHECK_DATABASE_URL',
      'COATCHECK_ISSUR',
      'COATCHECK_MASTER_KEYS',
      'COATCHECK_ALLOW_LOOPBACK_UPSTREAMS',
      'config.json: lifetimes.access_token',
      'config.json: lifetimes.refresh_token_absolute',
      'config.json: limit',
    ].toSorted(),
  )
})

test('the error says how many there are, and carries the words for them', () => {
  expect(() => load({ COATCHECK_PORT: 'x' })).toThrow('the configuration has an error')
  expect(() => load({ COATCHECK_PORT: 'x', COATCHECK_HOST: '/' })).toThrow('has 2 errors')
})

const elsewhere = 'postgres://coatcheck:secret@db.example/coatcheck'

test.each(['?sslmode=disable', '?sslmode=no-verify', ',localhost?sslmode=disable'])(
  'a way to a database elsewhere that proves nothing (%s) is refused, unless it is meant',
  (rest) => {
    const env = { COATCHECK_DATABASE_URL: elsewhere + rest }
    const errors = errorsOf(() => load(env))
    expect(errors).toEqual([expect.stringMatching(/^COATCHECK_DATABASE_URL: its sslmode proves nothing/)])
    expect(errors.join()).not.toContain('secret')
    expect(load({ ...env, COATCHECK_ALLOW_UNPROVEN_DATABASE: 'true' }).allowUnprovenDatabase).toBe(true)
    expect(errorsOf(() => load({ ...env, ...publicIssuer }))).toEqual(errors)
  },
)

test('who would have Node believe every certificate is told how to name an authority instead', () => {
  for (const env of [{}, publicIssuer]) {
    expect(errorsOf(() => load({ ...env, NODE_TLS_REJECT_UNAUTHORIZED: '0' }))).toEqual([
      expect.stringMatching(/^NODE_TLS_REJECT_UNAUTHORIZED: .*NODE_EXTRA_CA_CERTS/),
    ])
    expect(errorsOf(() => load({ ...env, NODE_TLS_REJECT_UNAUTHORIZED: '1' }))).toEqual([])
  }
})

test('a way to a database that is proven, or leads nowhere else, needs no word', () => {
  for (const url of [
    elsewhere,
    `${elsewhere}?sslmode=require`,
    'postgres://localhost/x?sslmode=disable',
    'postgres:///x?host=/run/postgresql',
  ]) {
    expect(load({ COATCHECK_DATABASE_URL: url }).databaseUrl).toBe(url)
  }
})

test('a certificate that cannot be read is told before anything is opened', () => {
  const env = { COATCHECK_DATABASE_URL: `${elsewhere}?sslrootcert=/ca.pem` }
  expect(errorsOf(() => load(env))).toEqual(['COATCHECK_DATABASE_URL: cannot read /ca.pem'])
  expect(load(env, { '/ca.pem': '-----BEGIN CERTIFICATE-----' }).databaseUrl).toContain('/ca.pem')
})

test('connections and their time are numbers within bounds', () => {
  const env = { COATCHECK_DATABASE_CONNECTIONS: '40', COATCHECK_DATABASE_TIMEOUT: '3' }
  expect(load(env).database).toEqual({ connections: 40, timeout: 3 })
  for (const value of ['0', '-1', '1e3', '501', 'many']) {
    expect(errorsOf(() => load({ COATCHECK_DATABASE_CONNECTIONS: value }))).toEqual([
      'COATCHECK_DATABASE_CONNECTIONS: is a number from 1 to 500',
    ])
  }
})

test('a variable that is not known is refused, since it may be a protection misspelt', () => {
  expect(errorsOf(() => load({ COATCHECK_MASTERKEYS: 'a', COATCHECK_ISSUER_FILE: '/b' }))).toEqual([
    'COATCHECK_MASTERKEYS: is not known',
    'COATCHECK_ISSUER_FILE: is not known',
  ])
  expect(load({ PATH: '/bin', COAT: 'loden' })).toEqual(load())
})

test.each([
  ['not a URL', 'is not an absolute URL'],
  ['ftp://auth.example', 'must be https, unless it is on loopback'],
  ['http://auth.example', 'must be https, unless it is on loopback'],
  ['http://10.0.0.7', 'must be https, unless it is on loopback'],
  ['http://0.0.0.0:8080', 'must be https, unless it is on loopback'],
  ['http://localhost.example', 'must be https, unless it is on loopback'],
  ['https://auth.example/', 'must not end with a slash'],
  ['https://auth.example/path/', 'must not end with a slash'],
  ['https://auth.example?a=b', 'must have no query and no fragment'],
  ['https://auth.example/path#', 'must have no query and no fragment'],
  ['https://user:pass@auth.example', 'must not carry a user name'],
  ['https://AUTH.example', 'is not in its canonical form'],
  ['https://auth.example:443', 'is not in its canonical form'],
  ['https://auth.example/a/../b', 'is not in its canonical form'],
  ['https://auth.example/:any', 'may have letters, digits and - . _ ~ in its path, and nothing else'],
  ['https://auth.example/*', 'may have letters, digits and - . _ ~ in its path, and nothing else'],
])('%s is no issuer: it %s', (issuer, message) => {
  const errors = errorsOf(() => load({ ...publicIssuer, COATCHECK_ISSUER: issuer }))
  expect(errors).toContain(`COATCHECK_ISSUER: ${message}`)
})

test.each([
  'https://auth.example',
  'https://auth.example:8443/tenants/a.b_c~d',
  'http://localhost:9000',
  'http://127.0.0.1:9000/gateway',
  'http://[::1]:9000',
])('%s is an issuer', (issuer) => {
  expect(load({ ...publicIssuer, COATCHECK_ISSUER: issuer }).issuer).toBe(issuer)
})

test('a public issuer needs master keys of its own', () => {
  expect(errorsOf(() => load({ COATCHECK_ISSUER: 'https://auth.example' }))).toEqual([
    'COATCHECK_MASTER_KEYS: is required unless the issuer is on loopback',
  ])
  expect(load(publicIssuer)).toMatchObject({ issuerIsLoopback: false, adminToken: undefined })
})

test('loopback upstreams are for a loopback issuer', () => {
  const errors = errorsOf(() => load({ ...publicIssuer, COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true' }))
  expect(errors).toEqual(['COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: is refused with a public issuer'])
  expect(load({ COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true' }).allowLoopbackUpstreams).toBe(true)
})

test.each(['0.0.0.0', '::', '10.1.2.3', 'gateway', '127.0.0.1.example'])(
  'a loopback issuer does not listen on %s unless that was meant',
  (host) => {
    const errors = errorsOf(() => load({ COATCHECK_HOST: host }))
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/^COATCHECK_HOST: a loopback issuer must not listen beyond this machine/)
    expect(load({ COATCHECK_HOST: host, COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER: 'true' }).host).toBe(host)
    expect(load({ ...publicIssuer, COATCHECK_HOST: host }).host).toBe(host)
  },
)

test.each(['127.0.0.1', '127.9.8.7', '::1', 'localhost'])('a loopback issuer listens on %s', (host) => {
  expect(load({ COATCHECK_HOST: host }).host).toBe(host)
})

test.each([' ', '/', '[::1]', '0.0.0.0:80', 'a b', 'http://localhost'])('%j is no host', (host) => {
  const errors = errorsOf(() => load({ ...publicIssuer, COATCHECK_HOST: host }))
  expect(errors).toEqual(['COATCHECK_HOST: is neither an IP address nor a host name'])
})

test.each(['65536', '-1', '8080 ', '0x50', '1e3'])('%j is no port', (port) => {
  expect(errorsOf(() => load({ COATCHECK_PORT: port }))).toContain('COATCHECK_PORT: is not a port')
})

test('workers are counted, or as many as there are cores', () => {
  expect(load({ COATCHECK_WORKERS: '3' }).workers).toBe(3)
  expect(load({ COATCHECK_WORKERS: 'auto' }).workers).toBe(availableParallelism())
})

test.each(['0', '-1', '1.5', '129', '2 ', 'all'])('%j is no number of workers', (workers) => {
  expect(errorsOf(() => load({ COATCHECK_WORKERS: workers }))).toEqual([
    expect.stringMatching(/^COATCHECK_WORKERS: is /),
  ])
})

test('workers do not share a database that is in the memory of one', () => {
  const inMemory = { COATCHECK_DATABASE_URL: 'sqlite::memory:' }
  expect(load({ ...inMemory, COATCHECK_WORKERS: '1' }).workers).toBe(1)
  expect(errorsOf(() => load({ ...inMemory, COATCHECK_WORKERS: '2' }))).toEqual([
    'COATCHECK_WORKERS: a database in memory is of one process alone',
  ])
})

test('all of it can be handed to another process', () => {
  const file = {
    providers: {
      github: {
        descriptor: 'github',
        client_id: 'c',
        client_secret: 's'.repeat(40),
        admit: 'anyone',
        scopes: ['repo'],
      },
    },
    clients: [
      {
        client_id: 'editor',
        token_endpoint_auth_method: 'none',
        client_name: 'Editor',
        redirect_uris: ['https://editor.test/callback'],
      },
    ],
  }
  const env = { COATCHECK_KEY_SERVICE_URL: keyService, COATCHECK_KEY_SERVICE_TOKEN: 't' }
  const config = loadFile(file, { ...publicIssuer, ...env, COATCHECK_TRUSTED_PROXIES: '10.0.0.0/8' })
  expect(structuredClone(config)).toEqual(config)
})

test('master keys are read in order, the sealing one first', () => {
  const [one, two] = [randomBytes(32), randomBytes(32)]
  const keys = load({
    COATCHECK_MASTER_KEYS: `new:${one.toString('base64')}, old-1:${two.toString('base64url')}`,
  }).masterKeys
  expect(keys?.map(({ id, key }) => [id, Buffer.from(key)])).toEqual([
    ['new', one],
    ['old-1', two],
  ])
})

const zeros = Buffer.alloc(32).toString('base64')
test.each([
  ['no id', randomBytes(32).toString('base64'), 'entry 1 needs the form id:base64'],
  ['an empty entry', `${goodKey()},`, 'entry 2 needs the form id:base64'],
  ['an odd id', `a.b:${randomBytes(32).toString('base64')}`, 'entry 1 needs the form id:base64'],
  ['a key that is too short', `a:${randomBytes(31).toString('base64')}`, 'key a is not 32 bytes of base64'],
  ['a key that is too long', `a:${randomBytes(33).toString('base64')}`, 'key a is not 32 bytes of base64'],
  ['hexadecimal', `a:${randomBytes(32).toString('hex')}`, 'key a is not 32 bytes of base64'],
  ['a stray character', `a:*${randomBytes(32).toString('base64')}`, 'key a is not 32 bytes of base64'],
  ['a second colon', `${goodKey('a')}:b`, 'key a is not 32 bytes of base64'],
  ['zeros', `a:${zeros}`, 'key a is one repeated byte'],
  ['one id twice', `${goodKey('a')},${goodKey('a')}`, 'has the same key id twice'],
])('master keys with %s are refused', (_what, value, message) => {
  const errors = errorsOf(() => load({ COATCHECK_MASTER_KEYS: value }))
  expect(errors).toHaveLength(1)
  expect(errors[0]?.startsWith(`COATCHECK_MASTER_KEYS: ${message}`)).toBe(true)
})

test.each(['sqlite:', 'sqlite://host/file', 'mysql://a/b', 'coatcheck.db', 'postgres:/a'])(
  '%s is no database',
  (url) => {
    expect(errorsOf(() => load({ COATCHECK_DATABASE_URL: url }))).toEqual([
      expect.stringMatching(/^COATCHECK_DATABASE_URL: a database URL is /),
    ])
  },
)

test('trusted proxies are addresses and networks', () => {
  const loadProxies = (value: string) => load({ COATCHECK_TRUSTED_PROXIES: value })
  expect(loadProxies('10.0.0.0/8, ::1/128,192.0.2.7').trustedProxies).toEqual([
    '10.0.0.0/8',
    '::1/128',
    '192.0.2.7',
  ])
  for (const sloppy of ['10.0.0.0/33', '10.0.0/8', 'loopback', '', 'true', '1', '10.0.0.0/', '::1/129']) {
    const errors = errorsOf(() => loadProxies(`192.0.2.7,${sloppy}`))
    expect(errors, sloppy).toEqual([
      `COATCHECK_TRUSTED_PROXIES: ${JSON.stringify(sloppy)} is neither an address nor a network in CIDR notation`,
    ])
  }
  for (const everybody of ['0.0.0.0/0', '::/0']) {
    expect(errorsOf(() => loadProxies(everybody))).toEqual([
      `COATCHECK_TRUSTED_PROXIES: ${everybody} would believe everybody`,
    ])
  }
})

test('what Fastify is handed as trusted proxies, it takes', async () => {
  const { default: fastify } = await import('fastify')
  const { trustedProxies } = load({ COATCHECK_TRUSTED_PROXIES: '10.0.0.0/8,::1/128,192.0.2.7' })
  expect(() => fastify({ trustProxy: trustedProxies })).not.toThrow()
})

test('every secret also comes from the file its twin names, without the newline at its end', () => {
  const values: Env = {
    COATCHECK_DATABASE_URL: 'postgres://coat:check@db.example/coats',
    COATCHECK_MASTER_KEYS: goodKey(),
    COATCHECK_ADMIN_TOKEN: 'x'.repeat(32),
  }
  for (const name of secretVariables.filter((each) => each !== 'COATCHECK_KEY_SERVICE_TOKEN')) {
    const value = values[name] ?? ''
    expect(load({ [`${name}_FILE`]: '/secret' }, { '/secret': `${value}\n` })).toEqual(
      load({ [name]: value }),
    )
  }
})

const keyService = 'https://vault.example/v1/team/transit/keys/coat-check'

test('a key service takes the place of master keys, and its token is read anew each time', () => {
  const publicIssuerAlone = {
    COATCHECK_ISSUER: 'https://auth.example',
    COATCHECK_KEY_SERVICE_URL: keyService,
  }
  const files = { '/token': 'first\n' }
  const config = load({ ...publicIssuerAlone, COATCHECK_KEY_SERVICE_TOKEN_FILE: '/token' }, files)
  expect(config).toMatchObject({
    masterKeys: undefined,
    keyService: { url: keyService, id: 'coat-check', use: 'seal' },
  })
  const tokenOf = ({ keyService }: Config) => keyService && tokenAt(keyService.token, () => files['/token'])
  expect(tokenOf(config)).toBe('first')
  files['/token'] = 'second\n'
  expect(tokenOf(config)).toBe('second')
  expect(tokenOf(load({ ...publicIssuerAlone, COATCHECK_KEY_SERVICE_TOKEN: 't' }))).toBe('t')
})

test.each<[string, Env, string]>([
  ['without a token', { COATCHECK_KEY_SERVICE_URL: keyService }, 'COATCHECK_KEY_SERVICE_TOKEN: is required'],
  ['without an address', { COATCHECK_KEY_SERVICE_TOKEN: 't' }, 'COATCHECK_KEY_SERVICE_URL: is required'],
  [
    'over http beyond this machine',
    { COATCHECK_KEY_SERVICE_URL: keyService.replace('https', 'http'), COATCHECK_KEY_SERVICE_TOKEN: 't' },
    'COATCHECK_KEY_SERVICE_URL: must be https',
  ],
  [
    'that is no key',
    { COATCHECK_KEY_SERVICE_URL: 'https://vault.example/v1/transit', COATCHECK_KEY_SERVICE_TOKEN: 't' },
    'COATCHECK_KEY_SERVICE_URL: must be the address of a transit key',
  ],
  [
    'with the id of a master key',
    {
      COATCHECK_KEY_SERVICE_URL: keyService,
      COATCHECK_KEY_SERVICE_TOKEN: 't',
      COATCHECK_MASTER_KEYS: `coat-check:${goodKey().split(':')[1]}`,
    },
    'COATCHECK_KEY_SERVICE_URL: the name of its key is the id of a master key',
  ],
])('a key service %s is refused', (_what, env, message) => {
  const [error, ...others] = errorsOf(() => load(env))
  expect(error).toContain(message)
  expect(others).toEqual([])
})

test('a key service that only opens leaves a public issuer in need of a master key', () => {
  const env = { COATCHECK_KEY_SERVICE_URL: keyService, COATCHECK_KEY_SERVICE_TOKEN: 't' }
  const opening = { ...env, COATCHECK_KEY_SERVICE_USE: 'open', COATCHECK_ISSUER: 'https://auth.example' }
  expect(errorsOf(() => load(opening))).toEqual([
    'COATCHECK_MASTER_KEYS: is required unless the issuer is on loopback',
  ])
})

test('a twin beside its variable, or one that cannot be read, is an error and no other', () => {
  const key = goodKey()
  expect(
    errorsOf(() => load({ COATCHECK_MASTER_KEYS: key, COATCHECK_MASTER_KEYS_FILE: '/k' }, { '/k': key })),
  ).toEqual(['COATCHECK_MASTER_KEYS_FILE: COATCHECK_MASTER_KEYS is set too'])
  expect(
    errorsOf(() => load({ COATCHECK_ISSUER: 'https://auth.example', COATCHECK_MASTER_KEYS_FILE: '/k' })),
  ).toEqual(['COATCHECK_MASTER_KEYS_FILE: cannot read /k'])
})

test('no error repeats a value of a secret, however wrong it is', () => {
  const hostile = fc
    .string({ minLength: 8, maxLength: 60, unit: fc.constantFrom(...'abcXYZ019:/,=+-_.@ {}"') })
    .filter((value) => value.trim().length >= 8)
  fc.assert(
    fc.property(fc.constantFrom(...secretVariables), hostile, (name, value) => {
      const told = errorsOf(() => load({ ...publicIssuer, [name]: value })).join('\n')
      expect(told).not.toContain(value.trim())
    }),
  )
  const mangledKey = randomBytes(32).toString('base64')
  expect(errorsOf(() => load({ COATCHECK_MASTER_KEYS: mangledKey })).join()).not.toContain(mangledKey)
})

test('a file that is not there and one that is not JSON are two things, and neither is quoted', () => {
  expect(errorsOf(() => load({ COATCHECK_CONFIG: 'c.json' }))).toEqual([
    'COATCHECK_CONFIG: c.json cannot be read',
  ])
  const broken = '{"client_secret": "very-secret-indeed" "oops"}'
  expect(errorsOf(() => load({ COATCHECK_CONFIG: 'c.json' }, { 'c.json': broken }))).toEqual([
    'COATCHECK_CONFIG: c.json is not JSON',
  ])
})

test('the file is told by its name and its places', () => {
  expect(errorsOf(() => loadFile([]))).toEqual([
    'config.json: Invalid input: expected object, received array',
  ])
  const errors = errorsOf(() => loadFile({ limits: { bodies: 1 }, lifetimes: { code: '60' }, extra: {} }))
  expect(errors).toHaveLength(3)
  expect(errors).toContain('config.json: limits.bodies: is not known')
  expect(errors).toContain('config.json: extra: is not known')
  expect(errors.some((error) => error.startsWith('config.json: lifetimes.code: '))).toBe(true)
})

test('what may be one thing or another is told by what it could be, at the member it is wrong in', () => {
  const declared = {
    providers: {
      a: { ...provider, admit: 7 },
      b: { ...provider, admit: { email_domain: ['a.test'] } },
      c: { ...provider, admit: 'nobody' },
      d: { ...provider, descriptor: 7 },
      e: { ...provider, descriptor: 'Not an id' },
    },
  }
  expect(errorsOf(() => loadFile(declared))).toEqual([
    'config.json: providers.a.admit: must be "anyone" or an object with at least one rule',
    'config.json: providers.b.admit.email_domain: is not known',
    'config.json: providers.b.admit: needs at least one rule',
    'config.json: providers.c.admit: must be "anyone" or an object with at least one rule',
    'config.json: providers.d.descriptor: must be the id of a built-in descriptor, or a descriptor',
    'config.json: providers.e.descriptor: is not an id',
  ])
})

test('text no database can keep is refused by its member, and is not repeated', () => {
  const named = (name: string) => ({ resource: 'https://a.test/mcp', name })
  const resources = { a: named('No\0tes'), b: named('half a \ud83e'), c: named('🧥') }
  expect(errorsOf(() => loadFile({ resources }))).toEqual([
    'config.json: resources.a.name: holds characters that are not text',
    'config.json: resources.b.name: holds characters that are not text',
  ])
  expect(errorsOf(() => loadFile({ resources: { a: { ...named('A'), scopes: { 'x\0': 'X' } } } }))).toContain(
    'config.json: resources.a.scopes: holds characters that are not text',
  )
  const secret = { providers: { a: { ...provider, client_secret: { file: '/binary' } } } }
  expect(errorsOf(() => loadFile(secret, {}, { '/binary': 'se\0cret' }))).toEqual([
    'config.json: providers.a.client_secret: holds characters that are not text',
  ])
})

test('a name that a terminal would obey is told as it is written', () => {
  expect(errorsOf(() => loadFile({ '\x1b[2Jx.y': 1 }))).toEqual([
    'config.json: "\\u001b[2Jx.y": is not known',
  ])
})

test('lifetimes that contradict each other are refused', () => {
  expect(
    errorsOf(() =>
      loadFile({
        lifetimes: {
          refresh_token: 7200,
          refresh_token_absolute: 3600,
          browser_session_idle: 600,
          browser_session_absolute: 300,
        },
      }),
    ),
  ).toEqual([
    'config.json: lifetimes.refresh_token_absolute: is shorter than refresh_token',
    'config.json: lifetimes.browser_session_absolute: is shorter than browser_session_idle',
  ])
})

const provider = { descriptor: 'somewhere', client_id: 'coatcheck' }

test('a client secret comes from the environment or from a file of its own', () => {
  const file = {
    providers: {
      a: { ...provider, client_secret: { env: 'A_SECRET' } },
      b: { ...provider, client_secret: { file: '/run/b' } },
      c: { ...provider, client_secret: 'written here' },
    },
  }
  const { providers } = loadFile(file, { A_SECRET: 'of a' }, { '/run/b': 'of b\n' }).declarations
  expect(Object.values(providers).map((each) => each.client_secret)).toEqual(['of a', 'of b', 'written here'])
})

test('a client secret that cannot be had is one error', () => {
  const withSecret = (secret: unknown) => ({ providers: { a: { ...provider, client_secret: secret } } })
  expect(errorsOf(() => loadFile(withSecret({ env: 'NOWHERE' })))).toEqual([
    'client_secret: the environment has no NOWHERE',
  ])
  expect(errorsOf(() => loadFile(withSecret({ file: '/nowhere' })))).toEqual([
    'client_secret: cannot read /nowhere',
  ])
  for (const nonsense of [{ env: 1 }, { env: 'A', file: '/b' }, {}, 7, null]) {
    const errors = errorsOf(() => loadFile(withSecret(nonsense), { A: 'secret of a' }, { '/b': 'of b' }))
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/^config\.json: providers\.a\.client_secret: /)
    expect(errors[0]).not.toContain('secret of a')
  }
})

test('a client secret that is too long is refused without being told', () => {
  const secret = 'long'.repeat(1000)
  const errors = errorsOf(() => loadFile({ providers: { a: { ...provider, client_secret: secret } } }))
  expect(errors).toHaveLength(1)
  expect(errors[0]).not.toContain('longlong')
})

test('any environment at all gives a configuration or a list of errors', () => {
  const names = Object.keys(environmentSchema.shape)
  const environment = fc.dictionary(
    fc.constantFrom(...names, ...secretVariables.map((name) => `${name}_FILE`), 'COATCHECK_CONFIG'),
    fc.oneof(fc.string(), fc.webUrl(), fc.ipV4(), fc.constantFrom('true', '/f', 'sqlite:x')),
  )
  fc.assert(
    fc.property(environment, fc.oneof(fc.json(), fc.string()), (env, content) => {
      const errors = errorsOf(() => load(env, { '/f': content }))
      expect(errors.every((error) => error.length > 0)).toBe(true)
    }),
  )
})
