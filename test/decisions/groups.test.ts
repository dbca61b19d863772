import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyOf } from '../support/tool-policy.ts'
import { newBrowser, resourceUri, signIn, startWorld, type World } from '../support/world.ts'

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
