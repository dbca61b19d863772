import { fetchToken, type House, type ProviderName, type Room } from './house.ts'
import { basic } from './world.ts'

export type Link = { url: string; ticket: string }

export const linkOf = (url: unknown): Link => {
  const text = String(url)
  return { url: text, ticket: text.slice(text.lastIndexOf('/') + 1) }
}

/** The link that a room is given because a session's token is not to be had. */
export async function linkFor(
  house: House,
  room: Room,
  tsid: string,
  provider: ProviderName,
  query: Record<string, string> = {},
): Promise<Link> {
  const { body } = await fetchToken(house, room, tsid, provider, query)
  if (typeof body.connect_url !== 'string') throw new Error(`no link but ${JSON.stringify(body)}`)
  return linkOf(body.connect_url)
}

/** A link the room asks for by itself. */
export async function askForLink(
  house: House,
  room: Room,
  tsid: string,
  provider: ProviderName,
  wish: { scope?: string; account?: string } = {},
): Promise<Link> {
  const url = `${house.gateway.url}/v1/token-sessions/${tsid}/connect/${provider}`
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: basic(room.credential), 'content-type': 'application/json' },
    body: JSON.stringify(wish),
  })
  const body = (await response.json()) as Record<string, unknown>
  if (response.status !== 200) throw new Error(`no link but ${response.status} ${JSON.stringify(body)}`)
  return linkOf(body.connect_url)
}

/** What the room is told of a link. */
export async function stateOf(
  house: House,
  room: Room,
  tsid: string,
  { ticket }: Link,
  query: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const url = `${house.gateway.url}/v1/token-sessions/${tsid}/connect/${ticket}?${new URLSearchParams(query)}`
  const response = await fetch(url, { headers: { authorization: basic(room.credential) } })
  return (await response.json()) as Record<string, unknown>
}
