import type { House, Person, Room, Stay } from './house.ts'
import type { Stop } from './page.ts'
import { basic } from './world.ts'

export type Link = { connect_url: string; ticket: string; expires_in: number }

/** Asks for a connect link as an MCP server does; throws where it is refused. */
export async function requestLink(
  { gateway }: Pick<House, 'gateway'>,
  { credential }: Room,
  tsid: string,
  wish: Record<string, unknown> = {},
  provider = 'github',
): Promise<Link> {
  const response = await fetch(`${gateway.issuer}/v1/token-sessions/${tsid}/connect/${provider}`, {
    method: 'POST',
    headers: { authorization: basic(credential), 'content-type': 'application/json' },
    body: JSON.stringify(wish),
  })
  if (!response.ok) throw new Error(`the link was answered ${response.status} ${await response.text()}`)
  return (await response.json()) as Link
}

/** The person of a session follows a link to its end, as the account they are seated at. */
export async function followLink({ browser }: Pick<Stay, 'browser'>, link: Pick<Link, 'connect_url'>) {
  const stop: Stop = await browser.walk(link.connect_url, ['continue', 'github', 'allow'])
  if (stop.status !== 200) throw new Error(`the link ended with ${stop.status}: ${stop.text}`)
  return stop
}

/** The person of a session connects the account of a new person at GitHub beside their own. */
export async function connectAnother(house: House, room: Room, stay: Stay): Promise<Person> {
  const person = house.newPerson()
  await followLink(stay, await requestLink(house, room, stay.tsid, { account: 'new' }))
  return person
}
