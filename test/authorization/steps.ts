import type { Browser, Stop } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import { calendar, type House, type Person, type Room } from '../support/house.ts'
import { authorizeUrl, basic, newPkce, redeem, redirectUri, type Tokens } from '../support/world.ts'

/** Steps that the tests of the browser's side take one by one, where an ordinary visit takes them in one go. */

export type RoomId = 'notes' | 'gists' | 'agenda' | 'desk' | 'loose' | 'either'

const scopes = { read: 'Read what is there', write: 'Change what is there' }

const github = { provider: 'github', scopes: ['repo'] }
const google = { provider: 'google', scopes: [calendar] }

/** MCP servers by what they need. */
export const rooms: Record<RoomId, Record<string, unknown>> = {
  notes: { providers: [github] },
  gists: { providers: [{ provider: 'github', scopes: ['gist'] }] },
  agenda: { providers: [google] },
  desk: { providers: [github, google], sign_in: ['github'] },
  loose: { providers: [github, { ...google, required: false }], sign_in: ['github'] },
  either: { providers: [], sign_in: ['github', 'google'] },
}

/** Opens a room, or writes its definition anew with what is given in place of what it was. */
export async function openRoom(
  house: House,
  id: RoomId,
  change: Record<string, unknown> = {},
): Promise<Room> {
  return await house.open(id, { scopes, default_scopes: ['read'], ...rooms[id], ...change })
}

/** An authorization request for a room, by whose challenge no code will ever be redeemed. */
export function urlFor(
  house: Pick<House, 'gateway' | 'clientId'>,
  room: Room,
  parameters: Record<string, string> = {},
): string {
  return authorizeUrl(house, newPkce().challenge, { resource: room.uri, ...parameters })
}

/** A browser that stops at the client's redirect URI, and wherever else it is told to. */
export const browserStoppingAt = (...stops: string[]): Browser =>
  createBrowser({ redirectUris: [redirectUri, ...stops] })

export const callbackUri = ({ gateway }: Pick<House, 'gateway'>, provider: string) =>
  `${gateway.issuer}/oauth/callback/${provider}`

/** Where GitHub is sent people to. */
export const githubAuthorize = ({ github: { web } }: Pick<House, 'github'>) => `${web}/login/oauth/authorize`

/** The providers show their pages from now on, to whoever the browser remembers. */
export function askAtProviders({ github: { control }, google: { control: other } }: House): void {
  control.ask()
  control.currentUser(null)
  other.ask()
  other.currentUser(null)
}

/** Picks an account on a provider's own page, and says yes. */
export async function approveAs(browser: Browser, page: Stop, person: Person): Promise<Stop> {
  const picked = [person.github, person.google].map((label) => {
    const id = new RegExp(`value="([^"]*)"[^>]*><span>${label}(?:<|$)`).exec(page.html)?.[1]
    return id ?? new RegExp(`value="([^"]*)"[^>]*><span>[^<]*<small>${label}<`).exec(page.html)?.[1]
  })
  const user = picked.find((id) => id !== undefined)
  if (user === undefined) throw new Error(`${person.name} is not on the page at ${page.url}`)
  return await browser.submit(page, { button: 'Authorize', fields: { user } })
}

export const isAtProvider = (stop: Stop) => !stop.left && stop.text.includes('Authorize Coatcheck')

/** A client of an administrator's, with a secret unless it says otherwise. */
export async function preRegister(
  { gateway }: Pick<House, 'gateway'>,
  metadata: Record<string, unknown> = {},
): Promise<{ clientId: string; secret: string }> {
  const answer = await gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    client_name: 'Workbench',
    redirect_uris: ['https://client.test/cb'],
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token'],
    ...metadata,
  })
  return { clientId: answer.client_id, secret: answer.client_secret }
}

export async function tokensFor(
  house: Pick<House, 'gateway' | 'clientId'>,
  visited: { stop: Stop; verifier: string },
): Promise<Tokens> {
  const code = visited.stop.left ? new URL(visited.stop.url).searchParams.get('code') : null
  if (code === null) throw new Error(`no code at ${visited.stop.url}: ${visited.stop.text}`)
  const response = await redeem(house, { code, verifier: visited.verifier })
  if (!response.ok) throw new Error(`the code was answered ${response.status} ${await response.text()}`)
  return (await response.json()) as Tokens
}

export type HeldConnection = {
  provider: string
  account: { id: string; label: string }
  scope: string
  state: string
}

/** What a token session says it may draw on. */
export async function heldBy(
  house: Pick<House, 'gateway'>,
  room: Room,
  tsid: string,
): Promise<HeldConnection[]> {
  return (await callAs(house, room, tsid)).body.connections as HeldConnection[]
}

/** A call of a room under `/v1/token-sessions/`; with a body it is a POST. */
export async function callAs(
  { gateway }: Pick<House, 'gateway'>,
  room: Room,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${gateway.issuer}/v1/token-sessions/${path}`, {
    headers: {
      authorization: basic(room.credential),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** The people and accounts of the gateway as an administrator sees them. */
export async function listed<Item = { id: string }>(
  { gateway }: Pick<House, 'gateway'>,
  path: string,
): Promise<Item[]> {
  return (await gateway.admin<{ items: Item[] }>('GET', path)).items
}

/** The subject that signs in with a GitHub account; absent where nobody does. */
export async function subjectNamed(
  house: Pick<House, 'gateway'>,
  label: string,
): Promise<string | undefined> {
  return (await listed(house, `/subjects?label=${encodeURIComponent(label)}`))[0]?.id
}
