import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Github, startGithub } from '../../standins/github.ts'
import { type ChildGateway, startChildGateway } from '../support/child-gateway.ts'
import { routes } from '../support/endings.ts'
import { createCredential, registerClient, resourceUri, retrieve, signIn } from '../support/world.ts'

// `kill -9` between the commit that ends something here, the provider's word, and our own note of it.

const client = { clientId: 'coatcheck-at-upstream', clientSecret: 'upstream-secret-canary-1f6e' }

let gateway: ChildGateway
let github: Github
let world: Parameters<typeof signIn>[0] & Parameters<typeof retrieve>[0]
let people = 0
beforeAll(async () => {
  gateway = await startChildGateway()
  github = await startGithub({
    clock: gateway.clock.now,
    clients: [{ ...client, redirectUris: [`${gateway.issuer}/oauth/callback/github`], expiringTokens: true }],
  })
  github.control.set({ tokensPerHour: 1000, liveTokens: 1000 })
  await gateway.admin('PUT', '/providers/github', {
    descriptor: 'github',
    variables: { web: github.web, api: github.api },
    client_id: client.clientId,
    client_secret: client.clientSecret,
    admit: 'anyone',
  })
  await gateway.admin('PUT', '/resources/notes', {
    resource: resourceUri,
    name: 'Notes',
    providers: [{ provider: 'github', scopes: ['repo'] }],
  })
  const credential = await createCredential(gateway, 'notes')
  const clientId = await registerClient(gateway)
  world = { gateway, clock: gateway.clock, clientId, credential, provider: 'github' }
})
afterEach(() => github.control.clearScripts())
afterAll(async () => {
  await gateway.stop()
  await github.stop()
})

type Items = { items: (Record<string, unknown> & { id: string })[] }
const list = async (path: string) => (await gateway.admin<Items>('GET', path)).items

/** Somebody new, their connection and the token it holds. */
async function come() {
  const login = `person${++people}`
  github.control.addUser({
    id: 2000 + people,
    login,
    emails: [{ email: `${login}@one.test`, primary: true }],
  })
  github.control.autoApprove(login)
  const { tsid } = await signIn(world)
  const { body } = await retrieve(world, tsid)
  const [subject] = await list(`/subjects?label=${login}`)
  const [connection] = await list(`/connections?subject_id=${subject?.id}`)
  return { connectionId: connection?.id ?? '', token: String(body.access_token) }
}

const works = async (token: string) => {
  const headers = { authorization: `Bearer ${token}`, 'user-agent': 'test' }
  return (await fetch(`${github.api}/user`, { headers })).ok
}

const newest = () =>
  github.control
    .issued()
    .filter(({ kind }) => kind === 'access_token')
    .at(-1)?.value ?? ''

/** What waits is due again; nobody has to wait a minute. */
const becomeDue = () => gateway.database.rows('UPDATE upstream_revocations SET next_at = 0')

const rows = () => gateway.database.rows('SELECT * FROM upstream_revocations')

/** What became of each, once nothing waits any more. */
async function outcomesOnceDone(): Promise<unknown[]> {
  await expect.poll(rows, { timeout: 10_000 }).toEqual([])
  return (await list('/audit-events?event=upstream_grant.revoked')).map(({ outcome }) => outcome)
}

/** Ends a connection, and is killed once the provider was reached. */
async function killDuring(connectionId: string, route: string, meanwhile?: () => Promise<void>) {
  const arrived = github.arrived(route, github.calls(route).length + 1)
  const answer = gateway.admin('DELETE', `/connections/${connectionId}`).catch(() => 'no answer')
  await arrived
  await meanwhile?.()
  await gateway.crash(becomeDue)
  expect(await answer).toBe('no answer')
}

test('before the provider did anything: it is told again, once, and nothing else is ended', async () => {
  const bystander = await come()
  const doomed = await come()
  const before = github.calls(routes.token).length
  github.control.script({ on: routes.token, effect: { kind: 'hold' } })
  await killDuring(doomed.connectionId, routes.token)
  expect((await outcomesOnceDone())[0]).toBe('ok')
  expect(github.calls(routes.token)).toHaveLength(before + 2)
  expect(await Promise.all([doomed, bystander].map(({ token }) => works(token)))).toEqual([false, true])
  expect(await list('/connections')).toHaveLength(1)
})

test('after the provider did it, and before that was noted: it is asked again, and knows nothing of it', async () => {
  const bystander = await come()
  const doomed = await come()
  const outcomes = (await outcomesOnceDone()).length
  github.control.script({ on: routes.token, effect: { kind: 'hold', when: 'after' } })
  await killDuring(doomed.connectionId, routes.token, async () => {
    await expect.poll(() => works(doomed.token)).toBe(false)
  })
  const after = await outcomesOnceDone()
  expect(after).toHaveLength(outcomes + 1)
  expect(after[0]).toBe('already_gone')
  expect(await works(bystander.token)).toBe(true)
})

test('between getting one more access token and revoking it: it was written down, and is revoked', async () => {
  const doomed = await come()
  github.control.advance(8 * 3600 + 60)
  const bystander = await come()
  const renewals = github.calls(routes.githubTokens).length
  github.control.script({ on: routes.token, skip: 1, effect: { kind: 'hold' } })
  const second = github.arrived(routes.token, github.calls(routes.token).length + 2)
  await killDuring(doomed.connectionId, routes.token, async () => void (await second))
  expect((await outcomesOnceDone())[0]).toBe('ok')
  expect(github.calls(routes.githubTokens)).toHaveLength(renewals + 1)
  expect(await Promise.all([newest(), bystander.token].map(works))).toEqual([false, true])
})
