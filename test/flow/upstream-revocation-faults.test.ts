import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { refreshTokenPlace } from '../../src/upstream/connection-record.ts'
import { answerPlace } from '../../src/upstream/raw-answer.ts'
import { askForLink } from '../support/connect-links.ts'
import { endingsIn, type Guest, routes } from '../support/endings.ts'
import { calendar, enter, type House, type Room, startHouse, upstreamClient } from '../support/house.ts'
import { newBrowser } from '../support/world.ts'

// What goes wrong between an end here and the provider's word: tokens that ended on their own, answers that cannot be
// believed, providers that move or vanish, and a second process that is at it, too.

let house: House
let room: Room
let endings: ReturnType<typeof endingsIn>
beforeAll(async () => {
  house = await startHouse({ file: { limits: { upstream_deadline: 2, discovery_deadline: 2 } } })
  endings = endingsIn(house)
  room = await house.open('repos', { providers: [{ provider: 'github', scopes: ['repo'] }] })
})
afterAll(() => house.stop())
beforeEach(async () => {
  await endings.due()
})
afterEach(() => {
  for (const name of ['github', 'google', 'atlassian'] as const) house[name].control.clearScripts()
})

const eightHours = 8 * 3600
const calls = (route: string) => house.github.calls(route).length
const gateway = () => house.gateway.running().gateway

/** Of the newest pair GitHub handed out. */
function newest(kind: 'access_token' | 'refresh_token'): string {
  const issued = house.github.control.issued().filter((each) => each.kind === kind)
  return issued.at(-1)?.value ?? ''
}

async function isRefreshable(refreshToken: string): Promise<boolean> {
  const body = { grant_type: 'refresh_token', refresh_token: refreshToken }
  const { clientId: client_id, clientSecret: client_secret } = upstreamClient
  const response = await fetch(`${house.github.web}/login/oauth/access_token`, {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({ ...body, client_id, client_secret }),
  })
  return 'access_token' in ((await response.json()) as object)
}

const openRefreshToken = async (connectionId: string) => {
  const connection = await gateway().store.connections.find(connectionId)
  const sealed = connection?.sealedRefreshToken ?? ''
  return await gateway().sealer.open(sealed, refreshTokenPlace(connectionId))
}

describe('an access token that has ended', () => {
  test('is renewed once, so that what it came from is ended with it', async () => {
    const { connectionId } = await endings.come(room)
    house.clock.advance(eightHours + 60)
    const renewals = calls(routes.githubTokens)
    const { revoked_upstream: revoked } = await endings.end(`/connections/${connectionId}`)
    expect(revoked).toMatchObject([{ provider: 'github', outcome: 'revoked' }])
    expect(calls(routes.githubTokens)).toBe(renewals + 1)
    expect(await isRefreshable(newest('refresh_token'))).toBe(false)
    expect(await endings.queued()).toBe(0)
  })

  test('is renewed anew where the provider was down for longer than the renewed one lived', async () => {
    const { connectionId } = await endings.come(room)
    house.clock.advance(eightHours + 60)
    const script = { on: routes.token, skip: 1, times: 1, effect: { kind: 'respond', status: 503 } } as const
    house.github.control.script(script)
    const { queued_upstream: queued } = await endings.end(`/connections/${connectionId}`)
    expect(queued).toHaveLength(1)
    const [row] = await endings.waiting()
    const [shown] = await endings.list('/upstream-revocations?provider=github')
    expect(shown).toMatchObject({ connection: connectionId, attempts: 1, trouble: 'api_status_503' })
    expect(row?.sealedAnswer).toBeTypeOf('string')
    const renewed = newest('access_token')
    expect(JSON.stringify(row)).not.toContain(renewed)
    house.clock.advance(eightHours + 60)
    await endings.due()
    expect(newest('access_token')).not.toBe(renewed)
    expect(await isRefreshable(newest('refresh_token'))).toBe(false)
    expect(await endings.waiting()).toEqual([])
    expect((await endings.outcomes())[0]).toBe('ok')
  })

  test('is let be where its refresh token is dead as well', async () => {
    const { connectionId, person } = await endings.come(room)
    house.clock.advance(eightHours + 60)
    house.github.control.revoke({ user: person.github, clientId: upstreamClient.clientId })
    const { revoked_upstream: revoked } = await endings.end(`/connections/${connectionId}`)
    expect(revoked).toMatchObject([{ outcome: 'already_gone' }])
  })

  test('that was renewed by a process that died before it could say so is ended by what it got', async () => {
    const { connectionId, token } = await endings.come(room)
    const { store, sealer, clock } = gateway()
    const connection = await store.connections.find(connectionId)
    const refreshToken = await openRefreshToken(connectionId)
    const response = await fetch(`${house.github.web}/login/oauth/access_token`, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        client_id: upstreamClient.clientId,
        client_secret: upstreamClient.clientSecret,
      }),
    })
    const raw = { status: 200, contentType: 'application/json', body: await response.text() }
    const now = clock()
    const seen = await store.refreshLeases.find(connectionId)
    const intent = {
      holder: 'dead',
      version: connection?.version ?? 0,
      expiresAt: now,
      sentAt: now,
      attempts: 1,
    }
    const lease = await store.refreshLeases.take(connectionId, seen, intent, now)
    if (!lease) throw new Error('somebody else has the lease')
    const sealed = await sealer.seal(JSON.stringify(raw), answerPlace(connectionId))
    expect(await store.refreshLeases.keepAnswer(lease, sealed, now)).toBe(true)

    expect(await endings.worksAtGithub(token)).toBe(false)
    expect(await endings.worksAtGithub(newest('access_token'))).toBe(true)
    const { revoked_upstream: revoked } = await endings.end(`/connections/${connectionId}`)
    expect(revoked).toMatchObject([{ outcome: 'revoked' }])
    expect(await endings.worksAtGithub(newest('access_token'))).toBe(false)
  })
})

describe('a provider that says it knows nothing of a token', () => {
  test('is not believed while the token works: our registration may be what it does not know', async () => {
    const { connectionId, token } = await endings.come(room)
    house.github.control.script({ on: routes.token, effect: { kind: 'respond', status: 404, body: {} } })
    const { queued_upstream: queued } = await endings.end(`/connections/${connectionId}`)
    expect(queued).toHaveLength(1)
    expect(await endings.waiting()).toMatchObject([
      { trouble: { kind: 'config', code: 'not_believed_gone' } },
    ])
    house.clock.advance(60)
    await endings.due()
    expect(await endings.worksAtGithub(token)).toBe(false)
  })

  test('is asked with the access token, too, where it ends everything and the refresh token is gone', async () => {
    const at = await house.open('calendar', { providers: [{ provider: 'google', scopes: [calendar] }] })
    const { connectionId, token } = await endings.come(at, 'google')
    // One more than a person may have at a client has pushed it out.
    house.google.control.script({
      on: routes.google,
      effect: { kind: 'respond', status: 400, body: { error: 'invalid_token' } },
    })
    const { revoked_upstream: revoked } = await endings.end(`/connections/${connectionId}`)
    expect(revoked).toMatchObject([{ outcome: 'revoked' }])
    expect(await endings.worksAtGoogle(token)).toBe(false)
  })
})

describe('while they wait', () => {
  const github = async () => {
    const { descriptor, variables } = await house.gateway.admin('GET', '/providers/github')
    return { descriptor, variables, client_id: upstreamClient.clientId, admit: 'anyone' }
  }
  const endWhileDown = async (guest: Guest) => {
    house.github.control.script({ on: routes.token, effect: { kind: 'drop', when: 'before' } })
    await endings.end(`/connections/${guest.connectionId}`)
    house.clock.advance(60)
  }

  test('the provider is disabled, and is told all the same', async () => {
    const guest = await endings.come(room)
    await endWhileDown(guest)
    await house.gateway.admin('PUT', '/providers/github', { ...(await github()), enabled: false })
    await endings.due()
    await house.gateway.admin('PUT', '/providers/github', await github())
    expect(await endings.worksAtGithub(guest.token)).toBe(false)
  })

  test('the client secret is exchanged, and they go with the new one', async () => {
    const guest = await endings.come(room)
    const registration = {
      clientId: upstreamClient.clientId,
      redirectUris: [`${house.gateway.issuer}/oauth/callback/github`],
      expiringTokens: true,
    }
    house.github.control.addClient({ ...registration, clientSecret: 'rotated-secret-canary-77' })
    await endings.end(`/connections/${guest.connectionId}`)
    expect(await endings.waiting()).toMatchObject([{ trouble: { code: 'api_status_401' } }])
    await house.gateway.admin('PUT', '/providers/github', {
      ...(await github()),
      client_secret: 'rotated-secret-canary-77',
    })
    house.clock.advance(60)
    await endings.due()
    house.github.control.addClient({ ...registration, clientSecret: upstreamClient.clientSecret })
    await house.gateway.admin('PUT', '/providers/github', {
      ...(await github()),
      client_secret: upstreamClient.clientSecret,
    })
    expect(await endings.worksAtGithub(guest.token)).toBe(false)
    expect(await endings.queued()).toBe(0)
  })

  test('one that the provider takes offence at is in nobody else’s way', async () => {
    const guests = [await endings.come(room), await endings.come(room)]
    for (const guest of guests) {
      house.github.control.script({ on: routes.token, effect: { kind: 'drop', when: 'before' } })
      await endings.end(`/connections/${guest.connectionId}`)
    }
    house.clock.advance(60)
    house.github.control.script({ on: routes.token, effect: { kind: 'respond', status: 400 } })
    await endings.due()
    expect(await endings.queued()).toBe(1)
    house.clock.advance(120)
    await endings.due()
    expect(await Promise.all(guests.map(({ token }) => endings.worksAtGithub(token)))).toEqual([false, false])
  })

  test('another process takes what this one was too slow for, and this one leaves it alone', async () => {
    const guests = [await endings.come(room), await endings.come(room)]
    for (const guest of guests) {
      house.github.control.script({ on: routes.token, effect: { kind: 'drop', when: 'before' } })
      await endings.end(`/connections/${guest.connectionId}`)
    }
    house.clock.advance(60)
    const other = await house.gateway.replica()
    const before = calls(routes.token)
    house.github.control.script({ on: routes.token, effect: { kind: 'hold' } })
    const arrived = house.github.arrived(routes.token, before + 1)
    const slow = endings.due()
    await arrived
    house.clock.advance(130)
    await other.gateway.revocations.carryOutDue()
    house.github.control.release()
    await slow
    await other.stop()
    // The one that was under way, and one for each by the other.
    expect(calls(routes.token)).toBe(before + 3)
    expect(await endings.queued()).toBe(0)
    expect(await Promise.all(guests.map(({ token }) => endings.worksAtGithub(token)))).toEqual([false, false])
  })

  test('whoever stops the gateway waits for what is under way, and begins nothing more', async () => {
    const guest = await endings.come(room)
    await endWhileDown(guest)
    const before = calls(routes.token)
    house.github.control.script({ on: routes.token, effect: { kind: 'hold' } })
    const arrived = house.github.arrived(routes.token, before + 1)
    void endings.due()
    await arrived
    const restarted = house.gateway.restart()
    house.github.control.release()
    await restarted
    expect(calls(routes.token)).toBe(before + 1)
    expect(await endings.queued()).toBe(0)
    expect((await endings.outcomes())[0]).toBe('ok')
  })
})

describe('tokens that new ones took the place of', () => {
  /** The person connects the same account with the same scopes again. */
  async function connectAgain({ stay, subjectId }: Guest) {
    const [{ account } = { account: {} }] = await endings.list(`/connections?subject_id=${subjectId}`)
    const link = await askForLink(house, room, stay.tsid, 'github', {
      account: String((account as Record<string, unknown>).id),
    })
    const page = await stay.browser.walk(link.url, ['continue', 'github', 'allow'])
    expect(page.status).toBe(200)
    return await endings.tokenOf(stay, room, 'github')
  }

  test('are revoked, and the new ones work', async () => {
    const guest = await endings.come(room)
    const again = await connectAgain(guest)
    expect(again).not.toBe(guest.token)
    await endings.due()
    expect(await Promise.all([guest.token, again].map(endings.worksAtGithub))).toEqual([false, true])
    expect(await endings.queued()).toBe(0)
    expect(await endings.list(`/connections?subject_id=${guest.subjectId}`)).toHaveLength(1)
  })

  test('stay where the provider handed out the very same', async () => {
    const guest = await endings.come(room)
    house.github.control.script({
      on: routes.githubTokens,
      effect: {
        kind: 'patch',
        json: { access_token: guest.token, refresh_token: await openRefreshToken(guest.connectionId) },
      },
    })
    expect(await connectAgain(guest)).toBe(guest.token)
    await endings.due()
    expect(await endings.worksAtGithub(guest.token)).toBe(true)
    expect((await endings.outcomes())[0]).toBe('needed_by_another_connection')
    expect(await endings.queued()).toBe(0)
  })

  test('are left alone where that would end the new ones, too', async () => {
    const at = await house.open('drive', { providers: [{ provider: 'google', scopes: [calendar] }] })
    const guest = await endings.come(at, 'google')
    const before = house.google.calls(routes.google).length
    const [{ account } = { account: {} }] = await endings.list(`/connections?subject_id=${guest.subjectId}`)
    const link = await askForLink(house, at, guest.stay.tsid, 'google', {
      account: String((account as Record<string, unknown>).id),
    })
    await guest.stay.browser.walk(link.url, ['continue', 'google', 'allow'])
    await endings.due()
    expect(house.google.calls(routes.google)).toHaveLength(before)
    expect(await endings.worksAtGoogle(await endings.tokenOf(guest.stay, at, 'google'))).toBe(true)
    expect(await endings.queued()).toBe(0)
  })
})

describe('a sign-in that keeps nothing but who it was', () => {
  const lobby = (provider: string) =>
    house.open(`lobby-${provider}`, { providers: [], sign_in: [provider], require_user_token: false })

  test('leaves no token behind, where that ends nothing else', async () => {
    const guest = await endings.come(room)
    const at = await lobby('github')
    const grants = calls(routes.grant)
    for (const browser of [undefined, newBrowser()]) {
      await enter(house, at, { presses: ['github', 'allow'], ...(browser && { browser }) })
      await endings.due()
      expect(await endings.worksAtGithub(newest('access_token'))).toBe(false)
    }
    expect(await endings.worksAtGithub(guest.token)).toBe(true)
    expect(calls(routes.grant)).toBe(grants)
    expect(await endings.queued()).toBe(0)
  })

  test('leaves alone what the next one rests on, whoever it turns out to be', async () => {
    const at = await lobby('google')
    const before = house.google.calls(routes.google).length
    house.newPerson()
    await enter(house, at, { presses: ['google', 'allow'] })
    house.clock.advance(3600)
    await endings.due()
    expect(await endings.queued()).toBe(0)
    expect(house.google.calls(routes.google)).toHaveLength(before)
  })
})

describe('a provider that becomes another one', () => {
  test('is told at its old address, by its old client, and the connections are told apart from new ones', async () => {
    const at = await house.open('moving', { providers: [{ provider: 'google', scopes: [calendar] }] })
    const guest = await endings.come(at, 'google')
    const { descriptor, variables } = await house.gateway.admin('GET', '/providers/google')
    const definition = { descriptor, variables, admit: 'anyone' }
    await house.gateway.admin('PUT', '/providers/google', {
      ...definition,
      client_id: 'newer',
      client_secret: 'newer-secret',
    })
    await endings.due()
    expect(await endings.worksAtGoogle(guest.token)).toBe(false)
    const sent = house.google.calls(routes.google).at(-1)
    expect(JSON.stringify(sent)).not.toContain('newer')
    await house.gateway.admin('PUT', '/providers/google', {
      ...definition,
      client_id: upstreamClient.clientId,
      client_secret: upstreamClient.clientSecret,
    })
    const again = await endings.come(at, 'google', { browser: guest.stay.browser })
    await endings.due()
    expect(await endings.worksAtGoogle(again.token)).toBe(true)
    expect(await endings.queued()).toBe(0)
  })

  test('is told of what nobody kept, though it is deleted before that could be said', async () => {
    const { admin } = house.gateway
    const { descriptor, variables } = await admin('GET', '/providers/github')
    const definition = { descriptor, variables, client_id: upstreamClient.clientId }
    await admin('PUT', '/providers/github', { ...definition, admit: { subjects: ['1'] } })
    house.github.control.script({ on: routes.token, effect: { kind: 'drop', when: 'before' } })
    await expect(endings.come(room)).rejects.toThrow('access_denied')
    const brought = newest('access_token')
    await endings.due()
    await endings.end('/providers/github')
    house.clock.advance(60)
    await endings.due()
    expect(await endings.worksAtGithub(brought)).toBe(false)
    expect(await endings.queued()).toBe(0)
  })
})
