import {
  enter,
  fetchToken,
  type House,
  type ProviderName,
  type Room,
  type Stay,
  type Visit,
} from './house.ts'
import { refresh, type Tokens } from './world.ts'

/** A session whose client keeps it alive while time passes. */
export type Session = Stay & {
  room: Room
  /** Lets so many seconds pass, and has the client refresh its own tokens. */
  age(seconds: number): Promise<void>
  /** Asks for the upstream token as the MCP server does. */
  fetch(query?: Record<string, string>): ReturnType<typeof fetchToken>
}

export async function enterAging(
  house: House,
  room: Room,
  provider: ProviderName,
  options: Visit = {},
): Promise<Session> {
  const stay = await enter(house, room, { presses: [provider, 'allow'], ...options })
  let current = stay.tokens
  return {
    ...stay,
    room,
    async age(seconds) {
      house.clock.advance(seconds)
      const response = await refresh(house, current.refresh_token)
      if (!response.ok) throw new Error(`the session ended: ${await response.text()}`)
      current = (await response.json()) as Tokens
    },
    fetch: (query) => fetchToken(house, room, stay.tsid, provider, query),
  }
}
