import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/lib/secret.ts'
import { askForLink } from '../support/connect-links.ts'
import { endingsIn, routes } from '../support/endings.ts'
import {
  calendar,
  drive,
  enter,
  fetchToken,
  type House,
  type ProviderName,
  type Room,
  type Stay,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { newBrowser, refresh, registerClient } from '../support/world.ts'

// What is ended here is ended at the provider, nothing else is, and no provider holds anything up.

let house: House
let room: Room
let rooms = 0
beforeAll(async () => {
  house = await startHouse({ file: { limits: { upstream_deadline: 1, discovery_deadline: 1 } } })
  endings = endingsIn(house)
  room = await house.open('repos', { providers: [{ provider: 'github', scopes: ['repo'] }] })
})
afterAll(() => house.stop())
afterEach(() => {
  for (const name of ['github', 'google', 'atlassian'] as const) house[name].control.clearScripts()
})

const { token: tokenRoute, grant: grantRoute, ...revokeRoute } = routes
const client_id = upstreamClient.clientId
let endings: ReturnType<typeof endingsIn>
const list = (path: string) => endings.list(path)
const end = (path: string) => endings.end(path)
const due = () => endings.due()
const outcomes = () => endings.outcomes()
const waiting = () => endings.waiting()
const queued = () => endings.queued()
const come = (at: Room = room, provider: ProviderName = 'github') => endings.come(at, provider)
const tokenOf = (stay: Stay, at: Room, provider: ProviderName) => endings.tokenOf(stay, at, provider)
const worksAtGithub = (token: string) => endings.worksAtGithub(token)
const worksAtGoogle = (token: string) => endings.worksAtGoogle(token)
const worksAtAtlassian = (token: string) => endings.worksAtAtlassian(token)

const openFor = (provider: ProviderName, scopes: string[]) =>
  house.open(`room${++rooms}`, { providers: [{ provider, scopes }] })

describe('a deleted connection', () => {
  test('is revoked where its tokens came from, and the receipt says so', async () => {
    const { connectionId, token, stay } = await come()
    expect(await worksAtGithub(token)).toBe(true)
    expect(await end(`/connections/${connectionId}`)).toMatchObject({
      connections_deleted: 1,
      token_sessions_ended: 1,
      revoked_upstream: [{ provider: 'github', client_id, connections: 1, outcome: 'revoked' }],
      queued_upstream: [],
      remaining_upstream: [],
    })
    expect(await worksAtGithub(token)).toBe(false)
    expect((await fetchToken(house, room, stay.tsid, 'github')).status).toBe(404)
    expect((await refresh(house, stay.tokens.refresh_token)).status).toBe(400)
    const [outcome] = await list('/audit-events?event=upstream_grant.revoked')
    const [cause] = await list('/audit-events?event=connection.deleted')
    expect(outcome).toMatchObject({
      outcome: 'ok',
      provider: 'github',
      detail: { cause: cause?.id, connection: connectionId, attempts: 1 },
    })
  })

  test('that the provider knows no longer is as good as revoked', async () => {
    const { connectionId, person } = await come()
    house.github.control.revoke({ user: person.github, clientId: client_id })
    const { revoked_upstream: revoked } = await end(`/connections/${connectionId}`)
    expect(revoked).toEqual([{ provider: 'github', client_id, connections: 1, outcome: 'already_gone' }])
  })

  test('is gone here at once while the provider is down, which is told as soon as it is back', async () => {
    const { connectionId, token } = await come()
    house.github.control.script({
      on: tokenRoute,
      times: 'always',
      effect: { kind: 'respond', status: 503, body: 'Unicorn' },
    })
    expect(await end(`/connections/${connectionId}`)).toMatchObject({
      connections_deleted: 1,
      revoked_upstream: [],
      queued_upstream: [{ provider: 'github', client_id, connections: 1 }],
      remaining_upstream: [],
    })
    const calls = house.github.calls(tokenRoute).length
    await due()
    expect(house.github.calls(tokenRoute)).toHaveLength(calls)
    house.clock.advance(60)
    await due()
    expect(house.github.calls(tokenRoute)).toHaveLength(calls + 1)
    house.github.control.clearScripts()
    await due()
    expect(await worksAtGithub(token)).toBe(true)
    house.clock.advance(120)
    await due()
    expect(await worksAtGithub(token)).toBe(false)
    expect(await queued()).toBe(0)
  })

  test('is not tried for ever, and what became of it is on record', async () => {
    const { connectionId } = await come()
    house.github.control.script({ on: tokenRoute, times: 'always', effect: { kind: 'drop', when: 'before' } })
    await end(`/connections/${connectionId}`)
    const calls = house.github.calls(tokenRoute).length
    for (let hour = 0; hour < 73; hour++) {
      house.clock.advance(3601)
      await due()
    }
    const tried = house.github.calls(tokenRoute).length - calls
    expect(tried).toBeGreaterThan(60)
    expect(tried).toBeLessThan(80)
    expect(await queued()).toBe(0)
    expect((await list('/audit-events?event=upstream_grant.revoked'))[0]).toMatchObject({
      outcome: 'given_up',
      detail: { connection: connectionId, reason: 'unreachable' },
    })
  })

  test('is left alone as long as the provider asks for', async () => {
    const { connectionId } = await come()
    house.github.control.script({
      on: tokenRoute,
      effect: { kind: 'respond', status: 429, headers: { 'retry-after': '600' }, body: '' },
    })
    await end(`/connections/${connectionId}`)
    const calls = house.github.calls(tokenRoute).length
    house.clock.advance(599)
    await due()
    expect(house.github.calls(tokenRoute)).toHaveLength(calls)
    house.clock.advance(1)
    await due()
    expect(house.github.calls(tokenRoute)).toHaveLength(calls + 1)
  })

  test('survives a restart in the queue', async () => {
    const { connectionId, token } = await come()
    house.github.control.script({ on: tokenRoute, effect: { kind: 'drop', when: 'before' } })
    await end(`/connections/${connectionId}`)
    await house.gateway.restart()
    house.clock.advance(60)
    await due()
    expect(await worksAtGithub(token)).toBe(false)
  })

  test('is told once where two gateways look at the same moment', async () => {
    const { connectionId } = await come()
    house.github.control.script({ on: tokenRoute, effect: { kind: 'drop', when: 'before' } })
    await end(`/connections/${connectionId}`)
    const other = await house.gateway.replica()
    const calls = house.github.calls(tokenRoute).length
    house.clock.advance(60)
    await Promise.all([due(), other.gateway.revocations.carryOutDue(), due()])
    await other.stop()
    expect(house.github.calls(tokenRoute)).toHaveLength(calls + 1)
    expect(await queued()).toBe(0)
  })
})

describe('what rests on the same grant is spared', () => {
  test('GitHub is asked to end one token, and never the grant, while the account has another', async () => {
    const gists = await openFor('github', ['gist'])
    const browser = newBrowser()
    house.newPerson()
    const first = await enter(house, room, { browser })
    const second = await enter(house, gists, { browser })
    const [session] = await list('/token-sessions?limit=1')
    const connections = await list(`/connections?subject_id=${session?.subject_id}`)
    const doomed = connections.find(({ scopes }) => JSON.stringify(scopes).includes('repo'))
    const grants = house.github.calls(grantRoute).length
    const tokens = [await tokenOf(first, room, 'github'), await tokenOf(second, gists, 'github')]
    await end(`/connections/${doomed?.id}`)
    expect(await Promise.all(tokens.map(worksAtGithub))).toEqual([false, true])
    expect(house.github.calls(grantRoute)).toHaveLength(grants)
  })

  test('nothing is revoked where that would end a connection that stays', async () => {
    const first = await openFor('google', [calendar])
    const wider = await openFor('google', [drive])
    const browser = newBrowser()
    house.newPerson()
    const presses = ['google', 'allow']
    const one = await enter(house, first, { browser, presses })
    const two = await enter(house, wider, { browser, presses })
    const tokens = [await tokenOf(one, first, 'google'), await tokenOf(two, wider, 'google')]
    const [session] = await list('/token-sessions?limit=1')
    const path = `/connections?subject_id=${session?.subject_id}`
    const connections = await list(path)
    expect(connections).toHaveLength(2)
    const calls = house.google.calls(revokeRoute.google).length
    const receipt = await end(`/connections/${connections[0]?.id}`)
    expect(receipt.remaining_upstream).toEqual([
      { provider: 'google', client_id, connections: 1, reason: 'needed_by_another_connection' },
    ])
    expect(house.google.calls(revokeRoute.google)).toHaveLength(calls)
    expect(await Promise.all(tokens.map(worksAtGoogle))).toEqual([true, true])
    const last = await end(`/connections/${connections[1]?.id}`)
    expect(last.revoked_upstream).toMatchObject([{ outcome: 'revoked' }])
    expect(await Promise.all(tokens.map(worksAtGoogle))).toEqual([false, false])
  })

  test('somebody who connected again meanwhile keeps what they have', async () => {
    const at = await openFor('google', [calendar])
    const { connectionId, stay } = await come(at, 'google')
    house.google.control.script({
      on: revokeRoute.google,
      effect: { kind: 'respond', status: 500, body: '' },
    })
    const receipt = await end(`/connections/${connectionId}`)
    expect(receipt.queued_upstream).toHaveLength(1)
    const again = await enter(house, at, { browser: stay.browser, presses: ['google', 'allow'] })
    const token = await tokenOf(again, at, 'google')
    house.clock.advance(60)
    await due()
    expect(await worksAtGoogle(token)).toBe(true)
    expect((await outcomes())[0]).toBe('needed_by_another_connection')
  })
})

describe('each provider in its own way', () => {
  test('Google says that a token is invalid, which is as good as revoked', async () => {
    const at = await openFor('google', [calendar])
    const { connectionId, person } = await come(at, 'google')
    house.google.control.revoke({ user: person.google, clientId: client_id })
    const { revoked_upstream: revoked } = await end(`/connections/${connectionId}`)
    expect(revoked).toMatchObject([{ provider: 'google', outcome: 'already_gone' }])
  })

  test('Atlassian revokes by its undocumented address, or has none, and then that is what is told', async () => {
    const at = await openFor('atlassian', ['read:jira-work'])
    const gone = await come(at, 'atlassian')
    expect((await end(`/connections/${gone.connectionId}`)).revoked_upstream).toMatchObject([
      { provider: 'atlassian', outcome: 'revoked' },
    ])
    expect(await worksAtAtlassian(gone.token)).toBe(false)
    const staying = await come(at, 'atlassian')
    house.atlassian.control.set({ revokeStatus: 404 })
    const receipt = await end(`/connections/${staying.connectionId}`)
    house.atlassian.control.set({ revokeStatus: 200 })
    expect(receipt.remaining_upstream).toMatchObject([{ provider: 'atlassian', reason: 'unsupported' }])
    expect((await outcomes())[0]).toBe('unsupported')
    expect(await queued()).toBe(0)
  })
})

describe('sessions, clients, people and providers', () => {
  test('an ended session leaves the connection for the next one, unless it is to go', async () => {
    const { sessionId, token, stay } = await come()
    const kept = await end(`/token-sessions/${sessionId}`)
    expect(kept).toMatchObject({
      token_sessions_ended: 1,
      connections_deleted: 0,
      remaining_upstream: [
        { provider: 'github', client_id, connections: 1, reason: 'kept_for_the_next_session' },
      ],
    })
    expect(await worksAtGithub(token)).toBe(true)
    const trips = house.trips().github
    await enter(house, room, { browser: stay.browser })
    expect(house.trips().github).toBe(trips)

    const used = await end(`/token-sessions/${sessionId}?disconnect=true`)
    expect(used.remaining_upstream).toMatchObject([{ reason: 'in_use' }])
    const [next] = await list('/token-sessions?limit=1')
    const ended = await end(`/token-sessions/${next?.id}?disconnect=true`)
    expect(ended).toMatchObject({ connections_deleted: 1, revoked_upstream: [{ outcome: 'revoked' }] })
    expect(await worksAtGithub(token)).toBe(false)
  })

  test('a deleted client takes along what it alone drew on, where that is asked for', async () => {
    const clientId = await registerClient(house.gateway)
    house.newPerson()
    const stay = await enter(house, room, { clientId })
    const token = await tokenOf(stay, room, 'github')
    const other = await come()
    const receipt = await end(`/clients/${clientId}?disconnect=true`)
    expect(receipt).toMatchObject({
      token_sessions_ended: 1,
      connections_deleted: 1,
      revoked_upstream: [{ connections: 1, outcome: 'revoked' }],
      remaining_upstream: [],
    })
    expect(await Promise.all([token, other.token].map(worksAtGithub))).toEqual([false, true])
  })

  test('of a deleted person everything they gave this gateway goes', async () => {
    const { subjectId, token } = await come()
    const grants = house.github.calls(grantRoute).length
    const receipt = await end(`/subjects/${subjectId}`)
    expect(receipt.revoked_upstream).toMatchObject([{ provider: 'github', connections: 1 }])
    expect(house.github.calls(grantRoute)).toHaveLength(grants + 1)
    expect(await worksAtGithub(token)).toBe(false)
  })

  test('a deleted provider is told, though it and its secret are no longer there, and nobody else is', async () => {
    const provider = await house.gateway.admin('GET', '/providers/atlassian')
    const at = await openFor('atlassian', ['read:jira-work'])
    const { token } = await come(at, 'atlassian')
    house.atlassian.control.script({ on: revokeRoute.atlassian, effect: { kind: 'drop', when: 'before' } })
    const receipt = await end('/providers/atlassian')
    expect(receipt.queued_upstream).toMatchObject([{ provider: 'atlassian' }])
    // Somebody registers another client under the same name.
    await house.gateway.admin('PUT', '/providers/atlassian', {
      descriptor: provider.descriptor,
      variables: provider.variables,
      client_id: 'another-client',
      client_secret: 'another-secret',
      admit: 'anyone',
    })
    house.clock.advance(60)
    await due()
    const sent = house.atlassian.calls(revokeRoute.atlassian).at(-1)
    expect(JSON.stringify(sent)).not.toContain('another-')
    expect(await worksAtAtlassian(token)).toBe(false)
    expect(await queued()).toBe(0)
  })

  test('what came from a client that is no longer ours is sent to nobody', async () => {
    const { admin } = house.gateway
    const { descriptor, variables } = await admin('GET', '/providers/google')
    const at = await openFor('google', [calendar])
    const { connectionId } = await come(at, 'google')
    const definition = { descriptor, variables, admit: 'anyone' }
    await admin('PUT', '/providers/google', {
      ...definition,
      client_id: 'newer',
      client_secret: 'newer-secret',
    })
    const calls = house.google.calls(revokeRoute.google).length
    const receipt = await end(`/connections/${connectionId}`)
    await admin('PUT', '/providers/google', {
      ...definition,
      client_id,
      client_secret: upstreamClient.clientSecret,
    })
    expect(receipt.remaining_upstream).toMatchObject([{ client_id, reason: 'provider_changed' }])
    expect(house.google.calls(revokeRoute.google)).toHaveLength(calls)
  })
})

describe('tokens that are brought and not kept', () => {
  /** The token of the last sign-in at GitHub. */
  const lastToken = () =>
    house.github.control
      .issued()
      .filter(({ kind }) => kind === 'access_token')
      .at(-1)?.value ?? ''

  test('of an account a link is not for are revoked, and nothing else of that account is', async () => {
    const ada = await come()
    const bob = await come()
    const [{ account } = { account: {} }] = await list(`/connections?subject_id=${ada.subjectId}`)
    const link = await askForLink(house, room, ada.stay.tsid, 'github', {
      account: String((account as Record<string, unknown>).id),
    })
    const grants = house.github.calls(grantRoute).length
    const page = await ada.stay.browser.walk(link.url, ['continue', 'github', 'allow'])
    expect(page.status).toBe(409)
    const brought = lastToken()
    expect(brought).not.toBe(bob.token)
    await due()
    expect(await Promise.all([brought, bob.token, ada.token].map(worksAtGithub))).toEqual([false, true, true])
    expect(house.github.calls(grantRoute)).toHaveLength(grants)
  })

  test('of somebody who is not admitted are revoked', async () => {
    const { admin } = house.gateway
    const { descriptor, variables, client_id: id } = await admin('GET', '/providers/github')
    const definition = { descriptor, variables, client_id: id }
    await admin('PUT', '/providers/github', { ...definition, admit: { subjects: ['1'] } })
    house.newPerson()
    await expect(enter(house, room)).rejects.toThrow('access_denied')
    await admin('PUT', '/providers/github', { ...definition, admit: 'anyone' })
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)
  })

  test('of a switch nobody confirmed are revoked', async () => {
    const ada = await come()
    house.newPerson()
    const { stop } = await visit(house, room, {
      browser: ada.stay.browser,
      parameters: { prompt: 'login' },
    })
    expect(stop.text).toContain('That is a different account')
    await due()
    expect(await Promise.all([lastToken(), ada.token].map(worksAtGithub))).toEqual([false, true])
  })
})

test('what a provider ended by itself is seen in the session', async () => {
  const { stay, person, connectionId } = await come()
  const { body } = await fetchToken(house, room, stay.tsid, 'github')
  house.github.control.revoke({ user: person.github, clientId: client_id })
  const told = await fetchToken(house, room, stay.tsid, 'github', {
    rejected: sha256(String(body.access_token)),
  })
  expect(told).toMatchObject({ status: 424, body: { error_code: 'needs_reauthorization' } })
  const dead = await list('/connections?status=needs_reauthorization')
  expect(dead.map(({ id }) => id)).toContain(connectionId)
})

test('no token that was revoked stands in a log, in the record, or readable in the queue', async () => {
  const { connectionId, token } = await come()
  house.github.control.script({ on: tokenRoute, effect: { kind: 'drop', when: 'before' } })
  const receipt = await end(`/connections/${connectionId}`)
  const { store } = house.gateway.running().gateway
  const record = await store.auditEvents.list({}, { limit: 10_000 })
  const places = JSON.stringify([receipt, house.gateway.logs(), record, await waiting()])
  expect(places).not.toContain(token)
  expect(places).not.toContain(upstreamClient.clientSecret)
})
