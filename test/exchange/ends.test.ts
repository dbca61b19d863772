import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { open, press } from '../account/steps.ts'
import { enter, type Stay } from '../support/house.ts'
import { basic, claimsOf, refresh, registerClient } from '../support/world.ts'
import {
  arrive,
  define,
  definitions,
  deskThatIsCalled,
  exchange,
  isActive,
  type Office,
  openOffice,
  type RoomId,
  relay,
  upstreamToken,
} from './steps.ts'

// What was exchanged ends with what it came from, on every path at once.

let office: Office
let stay: Stay
/** From desk to agenda, and from there to mail. */
let agenda: string
let mail: string

beforeAll(async () => {
  office = await openOffice({ exchanged_sessions: 5, sessions_per_client: 3 })
})
afterAll(() => office.stop())
beforeEach(async () => {
  const client = await registerClient(office.gateway)
  office = { ...office, clientId: client }
  stay = await arrive(office, 'desk')
  agenda = await relay(office, ['desk', 'agenda'], stay.tokens.access_token)
  mail = await relay(office, ['agenda', 'mail'], agenda)
  // The person uses mail themselves, so that there is something to be had there.
  await enter(office, office.rooms.mail, { browser: stay.browser })
  expect(await reached('mail', mail)).toBe(200)
})

const admin = (...call: Parameters<Office['gateway']['admin']>) => office.gateway.admin(...call)
const reached = async (id: RoomId, token: string) =>
  (await upstreamToken(office, id, String(claimsOf(token).tsid))).status

async function expectEnded(id: RoomId, token: string, onward: RoomId): Promise<void> {
  expect(await isActive(office, id, token)).toBe(false)
  expect(await reached(id, token)).toBe(404)
  const session = await fetch(`${office.gateway.url}/v1/token-sessions/${claimsOf(token).tsid}`, {
    headers: { authorization: basic(office.rooms[id].credential) },
  })
  expect(session.status).toBe(404)
  const { body } = await exchange(office, [id, onward], token)
  expect(body.error_code).toBe('invalid_user_token')
}

async function expectBothEnded(): Promise<void> {
  await expectEnded('agenda', agenda, 'archive')
  await expectEnded('mail', mail, 'archive')
}

async function expectBothAlive(): Promise<void> {
  expect(await isActive(office, 'agenda', agenda)).toBe(true)
  expect(await isActive(office, 'mail', mail)).toBe(true)
  expect(await reached('mail', mail)).toBe(200)
}

type Session = {
  id: string
  state: string
  resource_id: string
  parent_id: string | null
  revoked_reason: string
}
const sessions = async (query = 'state=live') =>
  (await admin('GET', `/token-sessions?client_id=${office.clientId}&${query}`)).items as Session[]
const sessionAt = async (id: RoomId, isExchanged: boolean) => {
  const found = (await sessions()).find(
    ({ resource_id, parent_id }) => resource_id === id && (parent_id !== null) === isExchanged,
  )
  if (!found) throw new Error(`no session at ${id}`)
  return found.id
}

const revoke = async (token: string) =>
  await fetch(`${office.gateway.url}/oauth/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: office.clientId, token }),
  })

describe('where it began', () => {
  test('is ended by the client', async () => {
    await revoke(stay.tokens.refresh_token)
    await expectBothEnded()
  })

  test('is ended by the person', async () => {
    const page = await press(office, stay.browser, /^End access of .* at .?desk/)
    expect(page.text).toContain('That access has ended')
    await expectBothEnded()
  })

  test('is ended by an administrator, whose receipt counts all of it', async () => {
    const receipt = await admin('DELETE', `/token-sessions/${await sessionAt('desk', false)}`)
    expect(receipt).toMatchObject({ token_sessions_ended: 3 })
    await expectBothEnded()
    const ended = await sessions('state=any')
    expect(
      ended.map(({ resource_id, state, revoked_reason }) => [resource_id, state, revoked_reason]),
    ).toEqual([
      ['mail', 'live', null],
      ['mail', 'revoked', 'revoked_by_administrator'],
      ['agenda', 'revoked', 'revoked_by_administrator'],
      ['desk', 'revoked', 'revoked_by_administrator'],
    ])
  })

  test('is ended by a refresh token that was stolen', async () => {
    await refresh(office, stay.tokens.refresh_token)
    office.clock.advance(60)
    await refresh(office, stay.tokens.refresh_token)
    await expectBothEnded()
  })

  test('makes room for younger sessions of the person', async () => {
    for (let index = 0; index < 3; index++) {
      office.clock.advance(1)
      await enter(office, office.rooms.desk, { browser: stay.browser })
    }
    await expectBothEnded()
  })

  test('draws on a connection that is deleted', async () => {
    const subject = claimsOf(agenda).sub
    const { items } = await admin('GET', `/connections?subject_id=${subject}`)
    const all = items as { id: string; scopes: string[] }[]
    for (const { id } of all) await admin('DELETE', `/connections/${id}`)
    await expectBothEnded()
  })

  test('holds after a restart', async () => {
    await revoke(stay.tokens.access_token)
    await office.gateway.restart()
    await expectBothEnded()
  })
})

test('what ends in the middle ends what comes after it, and nothing before', async () => {
  const receipt = await admin('DELETE', `/token-sessions/${await sessionAt('agenda', true)}`)
  expect(receipt).toMatchObject({ token_sessions_ended: 2 })
  await expectBothEnded()
  expect(await isActive(office, 'desk', stay.tokens.access_token)).toBe(true)
  expect((await exchange(office, ['desk', 'agenda'], stay.tokens.access_token)).status).toBe(200)
})

test('what ends at the end leaves the rest, and the person’s yes to that server', async () => {
  await admin('DELETE', `/token-sessions/${await sessionAt('mail', true)}`)
  await expectEnded('mail', mail, 'archive')
  expect(await isActive(office, 'agenda', agenda)).toBe(true)
  const consents = await office.gateway.running().gateway.store.consents.find({
    subjectId: String(claimsOf(mail).sub),
    clientId: office.clientId,
    redirectUri: 'http://127.0.0.1:7777/callback',
    resourceId: 'mail',
  })
  expect(consents).toBeDefined()
})

test('a client may end what was exchanged for it by itself', async () => {
  expect((await revoke(agenda)).status).toBe(200)
  await expectBothEnded()
  expect(await isActive(office, 'desk', stay.tokens.access_token)).toBe(true)
})

describe('disabled and enabled again', () => {
  test('the person', async () => {
    const subject = claimsOf(agenda).sub
    await admin('PATCH', `/subjects/${subject}`, { enabled: false })
    await expectBothEnded()
    await admin('PATCH', `/subjects/${subject}`, { enabled: true })
    await expectBothAlive()
  })

  test('the client', async () => {
    await admin('PATCH', `/clients/${office.clientId}`, { enabled: false })
    await expectBothEnded()
    await admin('PATCH', `/clients/${office.clientId}`, { enabled: true })
    await expectBothAlive()
  })

  test('the caller, who gets nothing meanwhile', async () => {
    await define(office, 'desk', { ...deskThatIsCalled, enabled: false })
    await expectBothEnded()
    expect((await exchange(office, ['desk', 'agenda'], stay.tokens.access_token)).status).toBe(401)
    await define(office, 'desk')
    await expectBothAlive()
  })

  test('the callee, for whom nothing is given meanwhile', async () => {
    await define(office, 'agenda', { ...definitions.agenda, enabled: false })
    await expectEnded('mail', mail, 'archive')
    const { body } = await exchange(office, ['desk', 'agenda'], stay.tokens.access_token)
    expect(body.error_code).toBe('target_not_allowed')
    await define(office, 'agenda')
    await expectBothAlive()
  })

  test.each([
    ['that lets the one call the other', []],
    ['that opens what was opened', [{ resource: 'desk', for: { 'desk.read': ['agenda.read'] } }]],
  ])('the rule %s', async (_what, callers) => {
    await define(office, 'agenda', { ...definitions.agenda, callers })
    await expectBothEnded()
    await define(office, 'agenda')
    await expectBothAlive()
  })
})

describe('deleted', () => {
  test('the client, or the person', async () => {
    await admin('DELETE', `/subjects/${claimsOf(agenda).sub}`)
    await expectBothEnded()
  })

  test('the caller, and the receipt counts what was exchanged from there', async () => {
    // Rooms are needed again, so that one of its own is taken down.
    const kiosk = await office.open('kiosk', {
      ...definitions.desk,
      scopes: { 'kiosk.read': 'Read' },
      default_scopes: [],
    })
    await define(office, 'plain', {
      ...definitions.plain,
      callers: [{ resource: 'kiosk', for: { 'kiosk.read': [] } }],
    })
    const there = await enter(office, kiosk, { browser: stay.browser, parameters: { scope: 'kiosk.read' } })
    const rooms = { ...office.rooms, desk: kiosk }
    const { body } = await exchange({ ...office, rooms }, ['desk', 'plain'], there.tokens.access_token)
    expect(await isActive(office, 'plain', String(body.access_token))).toBe(true)
    expect(await admin('DELETE', '/resources/kiosk')).toMatchObject({ token_sessions_ended: 2 })
    expect(await isActive(office, 'plain', String(body.access_token))).toBe(false)
    await define(office, 'plain', { ...definitions.plain, callers: [] })
  })
})

test('no more of it lives than may, the longest idle ends first, and no session of the person’s own is touched', async () => {
  const before = await sessions()
  const own = before.filter(({ parent_id }) => parent_id === null).map(({ id }) => id)
  const exchanged: string[] = []
  for (let index = 0; index < 7; index++) {
    office.clock.advance(1)
    exchanged.push(await relay(office, ['desk', 'agenda'], stay.tokens.access_token))
  }
  const after = await sessions()
  expect(after.filter(({ parent_id }) => parent_id !== null)).toHaveLength(5)
  expect(after.filter(({ parent_id }) => parent_id === null).map(({ id }) => id)).toEqual(own)
  await expectBothEnded()
  const alive = await Promise.all(exchanged.map((token) => isActive(office, 'agenda', token)))
  expect(alive).toEqual([false, false, true, true, true, true, true])

  // One that goes on from the oldest keeps it, and takes the place of another.
  office.clock.advance(1)
  const further = await relay(office, ['agenda', 'mail'], exchanged[2] ?? '')
  expect(await isActive(office, 'mail', further)).toBe(true)
  expect(await isActive(office, 'agenda', exchanged[2] ?? '')).toBe(true)
  expect(await isActive(office, 'agenda', exchanged[3] ?? '')).toBe(false)
})

test('exchanges of one session are so many in a minute, however far along the way; others are served', async () => {
  const few = await openOffice({ exchanges_per_session: 3 })
  const { tokens } = await arrive(few, 'desk')
  const onward = await relay(few, ['desk', 'agenda', 'mail'], tokens.access_token)
  // What is refused counts, too.
  expect((await exchange(few, ['desk', 'mail'], tokens.access_token)).status).toBe(400)
  for (const [way, token] of [
    [['desk', 'agenda'], tokens.access_token],
    [['mail', 'archive'], onward],
  ] as const) {
    const { status, headers, body } = await exchange(few, way, token)
    expect(status).toBe(429)
    expect(headers.get('retry-after')).toMatch(/^(1?\d|20)$/)
    expect(body).toMatchObject({
      error: 'temporarily_unavailable',
      error_code: 'too_many_requests',
      who_must_act: 'caller',
      retry_after: Number(headers.get('retry-after')),
    })
  }
  const other = await arrive(few, 'desk')
  expect((await exchange(few, ['desk', 'agenda'], other.tokens.access_token)).status).toBe(200)
  expect(await isActive(few, 'mail', onward)).toBe(true)
  await few.stop()
})

test('the person’s account page says what is called for them, and who ends it ends that', async () => {
  const page = await open(office, stay.browser)
  expect(page.text).toContain('desk is calling agenda, mail for you.')
  expect(page.text).not.toMatch(/uses agenda/)
  await press(office, stay.browser, /^End all access/, /^End/)
  await expectBothEnded()
})

test('administrators see what each was exchanged from, and find it by that', async () => {
  const root = await sessionAt('desk', false)
  const children = await sessions(`parent_id=${root}`)
  expect(children).toMatchObject([{ resource_id: 'agenda', parent_id: root }])
  expect(await sessions(`parent_id=${children[0]?.id}`)).toMatchObject([{ resource_id: 'mail' }])
  expect((await sessions()).filter(({ parent_id }) => parent_id === null)).toHaveLength(2)
})
