import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyOf } from '../support/tool-policy.ts'
import { introspect, newBrowser, resourceUri, signIn, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld('oidc')
  const { definition } = world.upstream
  await world.gateway.admin('PUT', '/providers/oidc', {
    ...definition,
    descriptor: { extends: 'oidc', identity: { groups: 'groups' } },
  })
  await world.gateway.admin('PUT', '/resources/notes', {
    resource: resourceUri,
    name: 'Notes',
    scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
    providers: [],
    access: 'bindings',
  })
  const policy = policyOf(world.gateway, 'notes')
  await policy.bind({ scopes: ['notes.read'] }, { group: 'staff', provider: 'oidc' })
  await policy.bind({ scopes: ['notes.write'] }, { group: 'admins', provider: 'oidc' })
  await policy.bind({ scopes: ['notes.write'] }, { group: 'staff', provider: 'another' })
})
afterAll(() => world.stop())

const scope = 'notes.read notes.write'

test('a role bound to a group is that of whoever the provider named in it, and no other provider’s word counts', async () => {
  const { tokens } = await signIn(world, { browser: newBrowser(), parameters: { scope } })
  expect(tokens.scope).toBe('notes.read')
  const { items } = await world.gateway.admin<{ items: { identities: object[] }[] }>('GET', '/subjects')
  expect(items[0]?.identities).toMatchObject([{ groups: ['on-call', 'staff'] }])
})

test('whoever is in none of them gets nothing', async () => {
  world.upstream.approveAs('bob')
  await expect(signIn(world, { browser: newBrowser(), parameters: { scope } })).rejects.toThrow(
    'access_denied',
  )
})

test('another provider that takes the name of one finds nobody in its groups', async () => {
  world.upstream.approveAs('ada')
  const { tokens } = await signIn(world, { browser: newBrowser(), parameters: { scope } })
  expect(await introspect(world, tokens.access_token)).toMatchObject({ scope: 'notes.read' })
  const { definition } = world.upstream
  const moved = { ...definition, client_id: 'another-client' }
  await world.gateway.admin('PUT', '/providers/oidc', moved)
  expect(await introspect(world, tokens.access_token)).toMatchObject({ scope: '' })
})

test('the word of a provider that is gone counts no more', async () => {
  const { definition } = world.upstream
  const withGroups = { extends: 'oidc', identity: { groups: 'groups' } }
  await world.gateway.admin('PUT', '/providers/oidc', { ...definition, descriptor: withGroups })
  const { tokens } = await signIn(world, { browser: newBrowser(), parameters: { scope } })
  expect(await introspect(world, tokens.access_token)).toMatchObject({ scope: 'notes.read' })
  await world.gateway.admin('DELETE', '/providers/oidc')
  expect(await introspect(world, tokens.access_token)).toMatchObject({ scope: '' })
})
