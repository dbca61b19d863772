import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  basic,
  claimsOf,
  introspect,
  newBrowser,
  postToken,
  type ResourceCredential,
  redirectUri,
  refresh,
  registerClient,
  resourceUri,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

let notes: Notes
let confidential: ResourceCredential
let tokens: Tokens
let tsid: string
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
  const made = await notes.gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    client_name: 'With a secret',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
  })
  confidential = { id: made.client_id, secret: made.client_secret }
})
afterAll(() => notes.stop())
beforeEach(async () => {
  const session = await signIn(notes, { browser, parameters: { scope: 'notes.read notes.write' } })
  tokens = session.tokens
  tsid = session.tsid
})

const grace = 30

async function next(token: string, more: Record<string, string> = {}): Promise<Tokens> {
  const response = await refresh(notes, token, more)
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

async function expectDead(token: string): Promise<void> {
  const response = await refresh(notes, token)
  expect(response.status).toBe(400)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.json()).toEqual({
    error: 'invalid_grant',
    error_description: 'The refresh token is not valid',
  })
}

async function expectSessionEnded(accessToken = tokens.access_token): Promise<void> {
  expect((await retrieve(notes, tsid)).body.error_code).toBe('unknown_token_session')
  expect(await introspect(notes, accessToken)).toEqual({ active: false })
}

describe('a refresh', () => {
  test('answers a new refresh token each time, with the scope of the grant and the same session', async () => {
    const second = await next(tokens.refresh_token)
    expect(second.refresh_token).not.toBe(tokens.refresh_token)
    expect(second.scope).toBe('notes.read notes.write')
    const [before, after] = [claimsOf(tokens.access_token), claimsOf(second.access_token)]
    expect(after).toMatchObject({ sub: before.sub, tsid, aud: resourceUri, auth_time: before.auth_time })
    expect(after.jti).not.toBe(before.jti)
  })

  test('may narrow the access token, and the refresh token keeps the whole grant', async () => {
    const narrow = await next(tokens.refresh_token, { scope: 'notes.read' })
    expect(narrow.scope).toBe('notes.read')
    expect(claimsOf(narrow.access_token).scope).toBe('notes.read')
    const wide = await next(narrow.refresh_token)
    expect(wide.scope).toBe('notes.read notes.write')
  })

  test.each([
    ['a scope that was never granted', { scope: 'notes.read admin' }, 'invalid_scope'],
    ['a scope with a character no scope has', { scope: 'notes.read "x"' }, 'invalid_scope'],
    ['another resource', { resource: 'https://other.test/mcp' }, 'invalid_target'],
    ['a path below the resource', { resource: `${resourceUri}/` }, 'invalid_target'],
  ])('that asks for %s is refused, and the token is not spent', async (_what, more, error) => {
    const response = await refresh(notes, tokens.refresh_token, more)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error })
    await next(tokens.refresh_token)
  })

  test('repeats the rules where a spent token is presented again: nothing is widened then either', async () => {
    await next(tokens.refresh_token, { scope: 'notes.read' })
    const response = await refresh(notes, tokens.refresh_token, { scope: 'notes.read admin' })
    expect(await response.json()).toMatchObject({ error: 'invalid_scope' })
    const again = await next(tokens.refresh_token, { scope: 'notes.write' })
    expect(again.scope).toBe('notes.write')
  })

  test('with another client’s token is refused, and the token is not spent', async () => {
    const other = await registerClient(notes.gateway, { client_name: 'Another' })
    expect((await refresh({ ...notes, clientId: other }, tokens.refresh_token)).status).toBe(400)
    const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    expect((await postToken(notes, form, { authorization: basic(confidential) })).status).toBe(400)
    await next(tokens.refresh_token)
  })

  test('slides the end of the session, up to the absolute one', async () => {
    let current = tokens
    for (let days = 0; days < 87; days += 29) {
      notes.clock.advance(29 * 86_400)
      current = await next(current.refresh_token)
    }
    notes.clock.advance(3 * 86_400 - 600)
    current = await next(current.refresh_token)
    expect(current.expires_in).toBeLessThanOrEqual(600)
    notes.clock.advance(600)
    await expectDead(current.refresh_token)
  })

  test('comes too late after thirty days without one', async () => {
    notes.clock.advance(30 * 86_400)
    await expectDead(tokens.refresh_token)
  })
})

describe('a refresh token used twice', () => {
  test('by the same client, within the grace, while the successor is unused, answers the same successor (promise 4)', async () => {
    const first = await next(tokens.refresh_token)
    notes.clock.advance(grace - 1)
    const second = await next(tokens.refresh_token)
    expect(second.refresh_token).toBe(first.refresh_token)
    expect(second.access_token).not.toBe(first.access_token)
    expect(await introspect(notes, second.access_token)).toMatchObject({ active: true })
    await next(first.refresh_token)
  })

  test('across a restart within the grace answers the same successor still', async () => {
    const first = await next(tokens.refresh_token)
    await notes.gateway.restart()
    expect((await next(tokens.refresh_token)).refresh_token).toBe(first.refresh_token)
  })

  test('after the grace ends the family', async () => {
    const { refresh_token: successor, access_token: access } = await next(tokens.refresh_token)
    notes.clock.advance(grace + 2)
    await expectDead(tokens.refresh_token)
    await expectDead(successor)
    await expectSessionEnded(access)
  })

  test('once its successor was used ends the family, within the grace too', async () => {
    const second = await next(tokens.refresh_token)
    const third = await next(second.refresh_token)
    await expectDead(tokens.refresh_token)
    await expectDead(second.refresh_token)
    await expectDead(third.refresh_token)
    await expectSessionEnded(third.access_token)
  })

  test('by another client ends nothing and tells nothing', async () => {
    const second = await next(tokens.refresh_token)
    const other = await registerClient(notes.gateway, { client_name: 'Another' })
    await expect(
      (await refresh({ ...notes, clientId: other }, tokens.refresh_token)).json(),
    ).resolves.toMatchObject({ error: 'invalid_grant' })
    notes.clock.advance(grace + 2)
    expect((await refresh({ ...notes, clientId: other }, tokens.refresh_token)).status).toBe(400)
    await next(second.refresh_token)
  })

  test('for another resource ends nothing', async () => {
    const second = await next(tokens.refresh_token)
    notes.clock.advance(grace + 2)
    const response = await refresh(notes, tokens.refresh_token, { resource: 'https://other.test/mcp' })
    expect(await response.json()).toMatchObject({ error: 'invalid_target' })
    await next(second.refresh_token)
  })

  test('days later, when its own end has come, ends nothing', async () => {
    const second = await next(tokens.refresh_token)
    notes.clock.advance(29 * 86_400)
    const third = await next(second.refresh_token)
    notes.clock.advance(2 * 86_400)
    await expectDead(tokens.refresh_token)
    await next(third.refresh_token)
  })

  test('is in the audit log, without the token', async () => {
    await next(tokens.refresh_token)
    notes.clock.advance(grace + 2)
    await expectDead(tokens.refresh_token)
    const { items } = await notes.gateway.admin<{ items: Record<string, unknown>[] }>(
      'GET',
      '/audit-events?event=token.reused',
    )
    expect(items[0]).toMatchObject({ outcome: 'refresh_token', actor: `client:${notes.clientId}` })
    expect(JSON.stringify(items)).not.toContain(tokens.refresh_token)
  })
})

describe('many at the same moment', () => {
  const rounds = 15

  test('with one token all get the one successor', async () => {
    let current = tokens.refresh_token
    for (let round = 0; round < rounds; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => next(current)))
      const successors = new Set(answers.map((answer) => answer.refresh_token))
      expect(successors.size).toBe(1)
      current = [...successors][0] ?? ''
    }
    await next(current)
  })

  test('with one token outside the grace end the family once, whoever wins', async () => {
    const second = await next(tokens.refresh_token)
    notes.clock.advance(grace + 2)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        refresh(notes, index % 2 === 0 ? tokens.refresh_token : second.refresh_token),
      ),
    )
    expect(answers.filter(({ status }) => status !== 200 && status !== 400)).toEqual([])
    await expectDead(second.refresh_token)
    await expectSessionEnded()
  })

  test('a refresh and a revocation leave no live token, or none that outlives the revocation', async () => {
    for (let round = 0; round < rounds; round++) {
      const { tokens: mine, tsid: session } = await signIn(notes, { browser })
      const revoke = () =>
        fetch(`${notes.gateway.issuer}/oauth/revoke`, {
          method: 'POST',
          body: new URLSearchParams({ client_id: notes.clientId, token: mine.refresh_token }),
        })
      const requests = { refreshed: () => refresh(notes, mine.refresh_token), revoked: revoke }
      const names = ['refreshed', 'revoked'] as const
      const order = round % 2 === 0 ? names : names.toReversed()
      const answers = await Promise.all(order.map(async (name) => [name, await requests[name]()] as const))
      const { refreshed, revoked } = Object.fromEntries(answers) as Record<(typeof names)[number], Response>
      expect(revoked.status).toBe(200)
      expect([200, 400]).toContain(refreshed.status)
      const { refresh_token: successor } = (await refreshed.json()) as Partial<Tokens>
      await expectDead(mine.refresh_token)
      if (successor) await expectDead(successor)
      expect((await retrieve(notes, session)).status).toBe(404)
    }
  })
})

describe('the sealed successor', () => {
  test('does not open with what the database knows (promise 4)', async () => {
    await next(tokens.refresh_token)
    const { store } = notes.gateway.running().gateway
    const { find: findRefreshToken } = store.refreshTokens
    let row: Awaited<ReturnType<typeof findRefreshToken>>
    store.refreshTokens.find = async (hash) => {
      row = await findRefreshToken(hash)
      return row
    }
    await next(tokens.refresh_token)
    store.refreshTokens.find = findRefreshToken
    const stored = JSON.stringify(row)
    expect(stored).not.toContain('cc_rt_')
    // Whatever stands in the row is presented as if it were a token.
    for (const value of stored.match(/[\w-]{43,}/g) ?? []) {
      for (const token of [value, `cc_rt_${value.slice(0, 43)}`]) {
        expect((await refresh(notes, token)).status).toBe(400)
      }
    }
  })

  test('that was damaged is an error of ours, not the end of the family', async () => {
    const { refresh_token: successor } = await next(tokens.refresh_token)
    const { store } = notes.gateway.running().gateway
    const { find: findRefreshToken } = store.refreshTokens
    store.refreshTokens.find = async (hash) => {
      const found = await findRefreshToken(hash)
      if (!found?.refreshToken.sealedSuccessor) return found
      const sealedSuccessor = found.refreshToken.sealedSuccessor.replace(/^./, (first) =>
        first === 'A' ? 'B' : 'A',
      )
      return { ...found, refreshToken: { ...found.refreshToken, sealedSuccessor } }
    }
    const response = await refresh(notes, tokens.refresh_token)
    store.refreshTokens.find = findRefreshToken
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error_code: 'gateway_unavailable' })
    await next(successor)
  })
})
