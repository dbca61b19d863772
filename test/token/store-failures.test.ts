import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  expectUnavailable,
  type FailingStore,
  failingStore,
  forEveryFailure,
} from '../support/failing-store.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  introspect,
  newBrowser,
  postToken,
  redeem,
  refresh,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

// Every call of the store is made to fail in turn, before it did anything and after it did everything. Nobody is
// ever told 200 for what did not happen, and whoever tries again finds either the old state or the new one.

let notes: Notes
let store: FailingStore
/** Signed in at the provider already, so that an authorization is a consent and nothing else. */
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes({ chores: 'none' })
  store = failingStore(notes.gateway.running().gateway.store)
})
afterAll(() => notes.stop())
afterEach(() => store.heal())

describe('the code exchange', () => {
  test('answers tokens that work or 503, and a code that bought nothing works again', async () => {
    const seen = await forEveryFailure(
      { store, clock: notes.clock },
      async () => {
        const authorized = await authorize(notes, { browser })
        return () => redeem(notes, authorized)
      },
      async (response, failed, again) => {
        if (response.status === 200) {
          // Only what no answer depends on may fail unnoticed.
          expect(failed.name).toBe('clients.touch')
          const { access_token } = (await response.json()) as Tokens
          expect(await introspect(notes, access_token)).toMatchObject({ active: true })
          return
        }
        await expectUnavailable(response, failed)
        const second = await again()
        // It was spent, and only the answer was lost: to us a second use is a replay.
        const isSpent = failed.name === 'codes.redeem' && failed.point === 'after'
        expect({ ...failed, status: second.status }).toEqual({ ...failed, status: isSpent ? 400 : 200 })
      },
    )
    expect(seen).toEqual(
      expect.arrayContaining(['clients.find', 'codes.find', 'codes.redeem', 'signingKeys.list']),
    )
  })
})

describe('the refresh', () => {
  test('answers tokens that work or 503, and whoever tries again gets the one successor there is', async () => {
    const seen = await forEveryFailure(
      { store, clock: notes.clock },
      async () => {
        const { tokens } = await signIn(notes, { browser })
        return () => refresh(notes, tokens.refresh_token)
      },
      async (response, failed, again) => {
        if (response.status === 200) expect(failed.name).toBe('clients.touch')
        else await expectUnavailable(response, failed)
        const first = await again()
        expect({ ...failed, status: first.status }).toEqual({ ...failed, status: 200 })
        const { refresh_token: successor } = (await first.json()) as Tokens
        expect(((await (await again()).json()) as Tokens).refresh_token).toBe(successor)
        expect((await refresh(notes, successor)).status).toBe(200)
      },
    )
    expect(seen).toEqual(
      expect.arrayContaining(['refreshTokens.find', 'refreshTokens.rotate', 'signingKeys.list']),
    )
  })

  test('a repeated refresh answers the same successor or 503', async () => {
    const { tokens } = await signIn(notes, { browser })
    const { refresh_token: successor } = (await (await refresh(notes, tokens.refresh_token)).json()) as Tokens
    const seen = await forEveryFailure(
      { store, clock: notes.clock },
      async () => () => refresh(notes, tokens.refresh_token),
      async (response, failed, again) => {
        const answer = response.status === 200 ? response : await again()
        if (response.status === 200) expect(failed.name).toBe('clients.touch')
        else await expectUnavailable(response, failed)
        expect(((await answer.json()) as Tokens).refresh_token).toBe(successor)
      },
    )
    expect(seen).toContain('grants.extend')
  })
})

describe('a second use that must end the family', () => {
  test('is never answered as if it had, before it has', async () => {
    let live: Tokens
    const seen = await forEveryFailure(
      { store, clock: notes.clock },
      async () => {
        const { tokens } = await signIn(notes, { browser })
        const second = (await (await refresh(notes, tokens.refresh_token)).json()) as Tokens
        live = (await (await refresh(notes, second.refresh_token)).json()) as Tokens
        return () => refresh(notes, tokens.refresh_token)
      },
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        expect((await again()).status).toBe(400)
        expect((await refresh(notes, live.refresh_token)).status).toBe(400)
      },
    )
    expect(seen).toContain('grants.revoke')
  })
})

describe('revocation', () => {
  test('says 200 only when the session has ended', async () => {
    let current: Awaited<ReturnType<typeof signIn>>
    const seen = await forEveryFailure(
      { store, clock: notes.clock },
      async () => {
        current = await signIn(notes, { browser })
        const { refresh_token: token } = current.tokens
        return () =>
          fetch(`${notes.gateway.issuer}/oauth/revoke`, {
            method: 'POST',
            body: new URLSearchParams({ client_id: notes.clientId, token }),
          })
      },
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        expect((await again()).status).toBe(200)
        expect((await retrieve(notes, current.tsid)).status).toBe(404)
        expect((await refresh(notes, current.tokens.refresh_token)).status).toBe(400)
      },
    )
    const each = ['clients.find', 'refreshTokens.find', 'grants.revoke']
    expect(seen).toEqual([...each, ...each])
  })
})

describe('introspection', () => {
  test('never calls a token inactive because the store does not answer', async () => {
    const { tokens } = await signIn(notes, { browser })
    await forEveryFailure(
      { store, clock: notes.clock },
      async () => () =>
        fetch(`${notes.gateway.issuer}/oauth/introspect`, {
          method: 'POST',
          headers: { authorization: basic(notes.credential) },
          body: new URLSearchParams({ token: tokens.access_token }),
        }),
      async (response, failed) => await expectUnavailable(response, failed),
    )
  })
})

test('a client that cannot be looked up is told 503, not that its credentials are wrong', async () => {
  store.arm(['clients.find'], 'before')
  const response = await postToken(notes, {
    grant_type: 'refresh_token',
    client_id: notes.clientId,
    refresh_token: 'x',
  })
  expect(response.status).toBe(503)
})
