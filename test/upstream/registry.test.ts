import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSealer, type Sealer } from '../../src/lib/seal.ts'
import type { ProviderRow } from '../../src/storage/providers.ts'
import { createProviderRegistry } from '../../src/upstream/registry.ts'

const sealer = createSealer([{ id: 'k1', key: randomBytes(32) }])

async function newRow(id: string, differences: Partial<ProviderRow> = {}): Promise<ProviderRow> {
  return {
    id,
    origin: 'admin',
    document: { descriptor: 'github', variables: {}, admit: 'anyone' },
    clientId: `client of ${id}`,
    sealedClientSecret: await sealer.seal(`secret of ${id}`, {
      table: 'providers',
      row: id,
      column: 'sealed_client_secret',
    }),
    enabled: true,
    createdAt: 1,
    updatedAt: 1,
    version: 1,
    ...differences,
  }
}

function registryOf(rows: ProviderRow[], open: Pick<Sealer, 'open'> = sealer) {
  const byId = new Map(rows.map((row) => [row.id, row]))
  const registry = createProviderRegistry({
    find: async (id) => byId.get(id),
    list: async () => [...byId.values()],
    sealer: open,
    allowLoopback: false,
  })
  return {
    registry,
    put: (row: ProviderRow) => byId.set(row.id, row),
    remove: (id: string) => byId.delete(id),
  }
}

test('a stored provider comes back with its descriptor resolved and its secret open', async () => {
  const variables = { web: 'https://git.acme.test', api: 'https://git.acme.test/api/v3' }
  const admit = { subjects: ['7'] }
  const row = await newRow('git', { document: { descriptor: 'github', variables, scopes: ['repo'], admit } })
  const { registry } = registryOf([row])
  expect(await registry.find('git')).toMatchObject({
    id: 'git',
    name: 'GitHub',
    clientId: 'client of git',
    clientSecret: 'secret of git',
    enabled: true,
    version: 1,
    admit,
    scopes: ['repo'],
    descriptor: { server: { issuer: 'https://git.acme.test/login/oauth' } },
  })
  expect(await registry.find('nobody')).toBeUndefined()
})

test('what a row means is worked out once, until the row changes', async () => {
  const row = await newRow('git')
  const { registry, put, remove } = registryOf([row])
  const first = await registry.find('git')
  expect(await registry.find('git')).toBe(first)
  put({ ...row, enabled: false, version: 2 })
  expect(await registry.find('git')).toMatchObject({ enabled: false, version: 2 })
  remove('git')
  expect(await registry.find('git')).toBeUndefined()
})

test('a provider that was deleted and made again is another, even with the version it had', async () => {
  const { registry, put } = registryOf([await newRow('git')])
  await registry.find('git')
  put(await newRow('git', { clientId: 'another client' }))
  expect(await registry.find('git')).toMatchObject({ clientId: 'another client', version: 1 })
})

test('a public client has no secret', async () => {
  const { registry } = registryOf([await newRow('git', { sealedClientSecret: null })])
  expect(await registry.find('git')).toHaveProperty('clientSecret', undefined)
})

test('a provider that cannot be used is named with its reasons, and spoils nobody else', async () => {
  const good = await newRow('good')
  const { registry } = registryOf([
    good,
    await newRow('gone', { document: { descriptor: 'myspace', variables: {}, admit: 'anyone' } }),
    await newRow('http', {
      document: { descriptor: 'oidc', variables: { issuer: 'http://localhost' }, admit: 'anyone' },
    }),
    await newRow('moved', { sealedClientSecret: good.sealedClientSecret }),
  ])
  const { providers, broken } = await registry.list()
  expect(providers.map(({ id }) => id)).toEqual(['good'])
  expect(broken).toEqual([
    { id: 'gone', errors: [{ pointer: '', message: 'is not a built-in descriptor' }] },
    { id: 'http', errors: [{ pointer: '/variables/issuer', message: expect.stringContaining('https') }] },
    { id: 'moved', errors: [{ pointer: '/client_secret', message: 'does not open under the master keys' }] },
  ])
  expect(await registry.find('gone')).toBeUndefined()
})

test('a sealer out of reach is an error of the moment, not of the row', async () => {
  const reach = { isBack: false }
  const open: Sealer['open'] = async (sealed, place) => {
    if (!reach.isBack) throw new Error('no connection to the key service')
    return await sealer.open(sealed, place)
  }
  const { registry } = registryOf([await newRow('git')], { open })
  await expect(registry.find('git')).rejects.toThrow('no connection')
  reach.isBack = true
  expect(await registry.find('git')).toMatchObject({ clientSecret: 'secret of git' })
})
