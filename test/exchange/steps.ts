import { type Answer, askForResource } from '../support/faces.ts'
import { enter, type House, type Room, type Stay, startHouse, type Visit } from '../support/house.ts'
import { basic, introspect, newBrowser, retrieve } from '../support/world.ts'

/**
 * Four MCP servers that call one another: desk calls agenda, agenda calls mail, mail calls archive, and so back to
 * desk; plain calls nobody and has no scopes.
 */
export type Office = House & { rooms: Record<RoomId, Room> }
export type RoomId = 'desk' | 'agenda' | 'mail' | 'archive' | 'plain'

const readAndWrite = (id: string) => ({
  scopes: { [`${id}.read`]: `Read the ${id}`, [`${id}.write`]: `Change the ${id}` },
  default_scopes: [`${id}.read`, `${id}.write`],
})

const reading = (from: string, to: string) => ({ resource: from, for: { [`${from}.read`]: [`${to}.read`] } })

export const definitions = {
  desk: { ...readAndWrite('desk'), providers: [{ provider: 'github', scopes: ['repo'] }] },
  agenda: {
    ...readAndWrite('agenda'),
    providers: [
      { provider: 'github', scopes: ['gist'] },
      {
        provider: 'google',
        scopes: ['https://www.googleapis.com/auth/calendar.readonly'],
        required: false,
        for: ['agenda.write'],
      },
    ],
    callers: [{ resource: 'desk', for: { 'desk.read': ['agenda.read'], 'desk.write': ['agenda.write'] } }],
  },
  mail: {
    ...readAndWrite('mail'),
    providers: [{ provider: 'github', scopes: ['repo'] }],
    callers: [reading('agenda', 'mail')],
  },
  archive: {
    ...readAndWrite('archive'),
    providers: [{ provider: 'github', scopes: ['repo'] }],
    callers: [reading('mail', 'archive'), reading('agenda', 'archive')],
  },
  plain: {
    scopes: {},
    default_scopes: [],
    providers: [{ provider: 'github', scopes: ['repo'] }],
    callers: [{ resource: 'desk', for: { 'desk.read': [] } }],
  },
} satisfies Record<RoomId, Record<string, unknown>>

export const deskThatIsCalled = {
  ...definitions.desk,
  callers: [reading('archive', 'desk'), reading('agenda', 'desk')],
}

export async function openOffice(limits: Record<string, number> = {}): Promise<Office> {
  const house = await startHouse({
    chores: 'none',
    file: { limits: { exchanges_per_session: 10_000, ...limits } },
  })
  const rooms = {} as Record<RoomId, Room>
  for (const [id, definition] of Object.entries(definitions)) {
    rooms[id as RoomId] = await house.open(id, definition)
  }
  // It is called by those that were not there when it was opened.
  await define({ ...house, rooms }, 'desk', deskThatIsCalled)
  return { ...house, rooms }
}

/** Registers one of them anew. */
export async function define(
  office: Office,
  id: RoomId,
  definition: Record<string, unknown> = id === 'desk' ? deskThatIsCalled : definitions[id],
): Promise<void> {
  const { uri } = office.rooms[id]
  await office.gateway.admin('PUT', `/resources/${id}`, { resource: uri, name: id, ...definition })
}

/** Somebody new, signed in at one of them. */
export async function arrive(office: Office, id: RoomId, options: Visit = {}): Promise<Stay> {
  office.newPerson()
  return await enter(office, office.rooms[id], { browser: newBrowser(), ...options })
}

/** One of them exchanges a token it was called with for one for another. */
export async function exchange(
  office: Office,
  [from, to]: readonly [RoomId, RoomId],
  token: string,
  wish: Record<string, string> = {},
): Promise<Answer> {
  const { rooms, gateway } = office
  return await askForResource(gateway, rooms[from].credential, token, { resource: rooms[to].uri, ...wish })
}

/** The same on the whole way; the token at its end. */
export async function relay(office: Office, way: readonly RoomId[], token: string): Promise<string> {
  let current = token
  for (const [index, to] of way.entries()) {
    const from = way[index - 1]
    if (from === undefined) continue
    const { status, body } = await exchange(office, [from, to], current)
    if (status !== 200) throw new Error(`${from} to ${to} was answered ${status} ${JSON.stringify(body)}`)
    current = String(body.access_token)
  }
  return current
}

export const isActive = async (office: Office, id: RoomId, token: string) =>
  (await introspect({ gateway: office.gateway, credential: office.rooms[id].credential }, token)).active

/** What one of them is answered when it asks for an upstream token of a session. */
export const upstreamToken = async (office: Office, id: RoomId, tsid: string, provider = 'github') =>
  await retrieve({ gateway: office.gateway, credential: office.rooms[id].credential, provider }, tsid)

export async function askForLink(office: Office, id: RoomId, tsid: string, provider = 'github') {
  const response = await fetch(`${office.gateway.url}/v1/token-sessions/${tsid}/connect/${provider}`, {
    method: 'POST',
    headers: { authorization: basic(office.rooms[id].credential), 'content-type': 'application/json' },
    body: '{}',
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
