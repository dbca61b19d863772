import { expect, test } from 'vitest'
import { openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes } from '../support/admin-rows.ts'

const lists = ['/clients', '/subjects', '/token-sessions', '/connections', '/audit-events']
const unpaged = ['/providers', '/resources', '/signing-keys']

test.each([
  'sort=name"--',
  'filter[$ne]=',
  'limit=-1',
  'limit=0',
  'limit=201',
  'limit=1e9',
  'limit=1e2',
  'limit=',
  'limit=5&limit=6',
  'limit[]=5',
  'cursor=',
  'cursor=%00',
  '__proto__=x',
  'constructor=x',
  'subject_id=a&subject_id=b',
])('no list takes ?%s', async (query) => {
  const { admin } = await openAdminGateway()
  for (const list of [...lists, ...unpaged]) {
    const { status, json } = await admin('GET', `${list}?${query}`)
    expect(status, list).toBe(400)
    expect(json.code).toBe('invalid_request')
  }
})

test.each([
  ['/clients', 'origin=other'],
  ['/subjects', 'enabled=yes'],
  ['/token-sessions', 'state=dead'],
  ['/connections', 'status=dead'],
  ['/connections', 'ends_before=7d'],
  ['/audit-events', 'since=yesterday'],
  ['/audit-events', 'tsid_hash=x'],
])('%s does not take ?%s', async (list, query) => {
  const { admin } = await openAdminGateway()
  expect((await admin('GET', `${list}?${query}`)).status).toBe(400)
})

test('pages follow one another, and no row is on two or on none', async () => {
  const { admin } = await openAdminGateway()
  const made = new Set<string>()
  for (let index = 0; index < 5; index++) {
    const { json } = await admin('POST', '/clients', { redirect_uris: ['https://client.test/cb'] })
    made.add(json.client_id)
  }
  const seen: string[] = []
  let next: string | undefined = ''
  while (next !== undefined) {
    const { json } = await admin('GET', `/clients?limit=2${next && `&cursor=${next}`}`)
    expect(json.items.length).toBeLessThanOrEqual(2)
    seen.push(...json.items.map((item: { client_id: string }) => item.client_id))
    next = json.next_cursor
  }
  expect(seen).toHaveLength(5)
  expect(new Set(seen)).toEqual(made)
})

test('a page holds fifty unless said, and the last one names no next', async () => {
  const { admin, gateway } = await openAdminGateway()
  const { auditEvent } = await import('../../src/audit/event.ts')
  for (let index = 0; index < 60; index++) {
    const event = auditEvent(1000 + index, { event: 'token.issued', actor: `client:${index % 2}` })
    await gateway.store.auditEvents.create(event)
  }
  const first = (await admin('GET', '/audit-events')).json
  expect(first.items).toHaveLength(50)
  const second = (await admin('GET', `/audit-events?cursor=${first.next_cursor}`)).json
  // And what the record itself began with.
  expect(second.items).toHaveLength(11)
  expect(second.next_cursor).toBeUndefined()
  expect(first.items[0].at).toBe(1059)
  expect((await admin('GET', '/audit-events?limit=200&actor=client:1')).json.items).toHaveLength(30)
  const period = (await admin('GET', '/audit-events?since=1010&until=1020')).json.items
  expect(period.map(({ at }: { at: number }) => at)).toEqual([...Array(10).keys()].map((n) => 1019 - n))
  expect((await admin('GET', '/audit-events?token_session_id=nothing')).status).toBe(404)
})

test('the record can be read and not written', async () => {
  const { admin } = await openAdminGateway()
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    expect((await admin(method, '/audit-events')).status).toBe(405)
    expect((await admin(method, '/audit-events/1')).status).toBe(404)
  }
})

test('text that no database can hold is refused before one is asked', async () => {
  const { admin } = await openAdminGateway()
  await admin('PUT', '/providers/forge', forge)
  for (const path of ['/subjects?email=%00', '/clients/a%00b'])
    expect((await admin('GET', path)).status).toBe(400)
  for (const name of ['a\0b', '\ud800']) {
    expect((await admin('PUT', '/resources/notes', { ...notes, name })).status).toBe(400)
  }
})
