import { expect, test } from 'vitest'
import { applyDeclarations } from '../../src/config/apply-declarations.ts'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { sha256 } from '../../src/lib/secret.ts'
import { type AdminGateway, type Json, openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes, seedPeople } from '../support/admin-rows.ts'

const secret = 'an-opaque-secret-of-more-than-32-characters'
const editor = {
  client_id: 'editor-of-acme',
  client_secret: secret,
  trusted: true,
  redirect_uris: ['https://editor.test/cb'],
}
const file = { providers: { forge }, resources: { notes }, clients: [editor] }

/** The same gateway, started anew with another file. */
async function restart({ gateway, config }: AdminGateway, changed: Json): Promise<void> {
  const { declarations } = load(changed)
  await applyDeclarations({ ...gateway, config: { ...config, declarations } })
}

function load(changed: Json) {
  return loadConfig({ COATCHECK_CONFIG: 'coatcheck.json' }, () => JSON.stringify(changed))
}

async function mistakes(attempt: () => unknown): Promise<readonly string[]> {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof ConfigError) return error.errors
    throw error
  }
  return []
}

test('what is declared is there, and is read-only', async () => {
  const { admin, gateway } = await openAdminGateway({ file })
  expect((await admin('GET', '/providers/forge')).json).toMatchObject({ origin: 'config', enabled: true })
  expect((await admin('GET', '/resources/notes')).json).toMatchObject({ origin: 'config', name: 'Notes' })
  expect((await admin('GET', '/clients/editor-of-acme')).json).toMatchObject({
    origin: 'config',
    trusted: true,
  })
  const stored = await gateway.store.clients.find('editor-of-acme', 0)
  expect(stored?.secretHash).toBe(sha256(secret))
  expect((await gateway.providers.find('forge'))?.clientSecret).toBe(forge.client_secret)

  const refused = await Promise.all([
    admin('PUT', '/providers/forge', forge),
    admin('DELETE', '/providers/forge'),
    admin('PUT', '/resources/notes', notes),
    admin('DELETE', '/resources/notes'),
    admin('PATCH', '/clients/editor-of-acme', { enabled: false }),
    admin('DELETE', '/clients/editor-of-acme'),
  ])
  for (const { status, json } of refused) {
    expect(status).toBe(409)
    expect(json.code).toBe('read_only')
  }
  // A credential is no part of what the file declares.
  expect((await admin('POST', '/resources/notes/credentials', {})).status).toBe(201)
})

test('a start with the same file changes and records nothing', async () => {
  const gateway = await openAdminGateway({ file })
  const ofConfig = async () => (await gateway.admin('GET', '/audit-events?actor=config')).json.items
  const before = await ofConfig()
  expect(before).toHaveLength(3)
  gateway.time.now += 100
  await restart(gateway, file)
  expect(await ofConfig()).toEqual(before)
})

test('resources of one file may call each other, whichever stands first', async () => {
  const calls = (id: string) => [{ resource: id, for: { 'notes.read': ['notes.read'] } }]
  const twin = { ...notes, resource: 'https://twin.test', callers: calls('notes') }
  const both = { ...file, resources: { notes: { ...notes, callers: calls('twin') }, twin } }
  const { admin } = await openAdminGateway({ file: both })
  expect((await admin('GET', '/resources/notes')).json.callers).toEqual(calls('twin'))
  expect((await admin('GET', '/resources/twin')).json.callers).toEqual(calls('notes'))
  const lone = { ...file, resources: { notes: { ...notes, callers: calls('twin') } } }
  expect(await mistakes(() => openAdminGateway({ file: lone }))).toEqual([
    'resources.notes.callers.0.resource: is not set up here',
  ])
})

test('a changed file changes what is there', async () => {
  const gateway = await openAdminGateway({ file })
  await restart(gateway, {
    providers: { forge: { ...forge, client_secret: 'rotated' } },
    resources: { notes: { ...notes, name: 'Other notes' } },
    clients: [{ ...editor, client_secret: `${secret}2`, trusted: false }],
  })
  expect((await gateway.gateway.providers.find('forge'))?.clientSecret).toBe('rotated')
  expect((await gateway.admin('GET', '/resources/notes')).json.name).toBe('Other notes')
  const client = await gateway.gateway.store.clients.find('editor-of-acme', 0)
  expect(client).toMatchObject({ trusted: false, secretHash: sha256(`${secret}2`) })
  const { items } = (await gateway.admin('GET', '/audit-events?actor=config&limit=3')).json
  expect(items.map(({ event }: { event: string }) => event)).toEqual([
    'client.changed',
    'resource.saved',
    'provider.saved',
  ])
})

test('what is no longer declared is disabled, may be deleted, and comes back when it is declared again', async () => {
  const gateway = await openAdminGateway({ file })
  const bare = { ...gateway.config, declarations: { providers: {}, resources: {}, clients: [] } }
  await applyDeclarations({ ...gateway.gateway, config: bare })
  const paths = ['/providers/forge', '/resources/notes', '/clients/editor-of-acme']
  for (const path of paths) {
    expect((await gateway.admin('GET', path)).json, path).toMatchObject({ enabled: false, origin: 'config' })
  }
  await restart(gateway, file)
  for (const path of paths) expect((await gateway.admin('GET', path)).json.enabled, path).toBe(true)

  await applyDeclarations({ ...gateway.gateway, config: bare })
  Object.assign(gateway.config, bare)
  for (const path of paths) expect((await gateway.admin('DELETE', path)).status, path).toBe(200)
})

test('a host changed in the file ends the connections made at the old one', async () => {
  const gateway = await openAdminGateway({ file })
  await seedPeople(gateway)
  const { client_secret: _, ...withoutSecret } = forge
  const moved = { variables: { web: 'https://elsewhere.test' } }
  const errors = await mistakes(() =>
    restart(gateway, { ...file, providers: { forge: { ...withoutSecret, ...moved } } }),
  )
  expect(errors).toEqual([expect.stringContaining('providers.forge.client_secret: is required again')])
  await restart(gateway, { ...file, providers: { forge: { ...forge, ...moved } } })
  expect((await gateway.admin('GET', '/connections?status=live')).json.items).toEqual([])
})

test('a declared resource names providers that will be there', async () => {
  const gateway = await openAdminGateway({ file })
  expect(await mistakes(() => restart(gateway, { ...file, providers: {} }))).toEqual([
    'resources.notes.providers.0.provider: is not set up here',
  ])
  await gateway.admin('PUT', '/providers/mine', forge)
  const mine = { ...notes, providers: [{ provider: 'mine', scopes: ['repo'] }] }
  await restart(gateway, { ...file, providers: {}, resources: { notes: mine } })
  expect((await gateway.admin('GET', '/resources/notes')).json.providers).toMatchObject([
    { provider: 'mine' },
  ])
})

test('a resource under another id takes the URI of the one it was', async () => {
  const gateway = await openAdminGateway({ file })
  await restart(gateway, { ...file, resources: { scribbles: notes } })
  const { items } = (await gateway.admin('GET', '/resources')).json
  expect(items).toMatchObject([{ id: 'scribbles', resource: 'https://notes.test/mcp', enabled: true }])
})

test('the default moves from one declared resource to another', async () => {
  const other = { ...notes, resource: 'https://other.test' }
  const before = { notes: { ...notes, default: true }, other }
  const gateway = await openAdminGateway({ file: { ...file, resources: before } })
  await restart(gateway, { ...file, resources: { notes, other: { ...other, default: true } } })
  await restart(gateway, { ...file, resources: before })
  await restart(gateway, { ...file, resources: { other: { ...other, default: true }, notes } })
  expect((await gateway.admin('GET', '/resources/other')).json.default).toBe(true)
})

test('two declared resources do not change places at once', async () => {
  const other = { ...notes, resource: 'https://other.test' }
  const gateway = await openAdminGateway({ file: { ...file, resources: { notes, other } } })
  const errors = await mistakes(() =>
    restart(gateway, { ...file, resources: { notes: other, other: notes } }),
  )
  expect(errors).toEqual([
    'resources.notes.resource: is still the URI of other; start once without it',
    'resources.other.resource: is still the URI of notes; start once without it',
  ])
})

test('every mistake is named at once, and nothing is written', async () => {
  const gateway = await openAdminGateway({ file })
  await gateway.admin('PUT', '/providers/mine', forge)
  const before = (await gateway.admin('GET', '/audit-events')).json.items
  const errors = await mistakes(() =>
    restart(gateway, {
      providers: {
        forge: { ...forge, variables: { web: 'ftp://forge.test' } },
        mine: forge,
        'Not an id': forge,
      },
      resources: {
        notes: { ...notes, resource: 'notes.test', providers: [{ provider: 'nobody', scopes: [] }] },
        twin: { ...notes, resource: 'https://twin.test', default: true },
        other: { ...notes, resource: 'https://twin.test', default: true },
      },
      clients: [editor, editor],
    }),
  )
  expect(errors).toEqual([
    'providers.forge.variables.web: must be https',
    'providers.mine: was set up through the admin API; delete it there to declare it here',
    'providers.Not an id: is not an id',
    'resources.notes.resource: must be an absolute http(s) URI without fragment or user name',
    'resources.notes.providers.0.provider: is not set up here',
    'resources.twin.resource: is the URI of other',
    'resources.twin.default: other is the default already',
    'resources.other.resource: is the URI of twin',
    'resources.other.default: twin is the default already',
    'clients.1.client_id: stands here twice',
  ])
  expect((await gateway.admin('GET', '/audit-events')).json.items).toEqual(before)
  expect(JSON.stringify(errors)).not.toContain(forge.client_secret)
})

test.each([
  [{ ...editor, client_id: 'client_mine' }, 'clients.0.client_id'],
  [{ ...editor, client_id: 'resource_mine' }, 'clients.0.client_id'],
  [{ ...editor, client_id: 'sub_mine' }, 'clients.0.client_id'],
  [{ ...editor, client_id: 'https://editor.test' }, 'clients.0.client_id'],
  [{ ...editor, client_secret: 'short' }, 'clients.0.client_secret'],
  [{ ...editor, client_secret: undefined }, 'clients.0.client_secret'],
  [{ ...editor, token_endpoint_auth_method: 'none' }, 'clients.0.client_secret'],
  [{ ...editor, redirect_uris: ['javascript:x'] }, 'clients.0'],
  [{ ...editor, redirect_url: 'https://editor.test/cb' }, 'clients.0.redirect_url'],
])('a declared client %j is refused', async (client, place) => {
  const errors = await mistakes(() => load({ clients: [client] }))
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain(`${place}: `)
})

test('a public client is declared without a secret', () => {
  const { client_secret: _, ...rest } = editor
  const { declarations } = load({ clients: [{ ...rest, token_endpoint_auth_method: 'none' }] })
  expect(declarations.clients).toMatchObject([{ id: 'editor-of-acme', secretHash: null, enabled: true }])
})
