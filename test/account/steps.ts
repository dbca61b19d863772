import { expect } from 'vitest'
import { listed } from '../authorization/steps.ts'
import type { Browser, Press, Stop } from '../support/browser.ts'
import {
  fetchToken,
  type House,
  type Person,
  type Room,
  type Stay,
  upstreamClient,
} from '../support/house.ts'
import { refresh } from '../support/world.ts'

/** Steps on the account page. */

export const accountUrl = ({ gateway }: Pick<House, 'gateway'>) => `${gateway.issuer}/account`

/** Opens the account page as it is for this browser. */
export async function open(house: Pick<House, 'gateway'>, browser: Browser): Promise<Stop> {
  return await browser.get(accountUrl(house))
}

/** Opens the account page and presses what leads on, the first that fits on each page. */
export async function press(
  house: Pick<House, 'gateway'>,
  browser: Browser,
  ...presses: readonly (string | RegExp | Press)[]
): Promise<Stop> {
  let page = await open(house, browser)
  for (const each of presses) {
    const isPress = typeof each === 'object' && !(each instanceof RegExp)
    page = await browser.submit(page, isPress ? each : { button: each })
  }
  return page
}

/** The hidden field that ties a form to the session it was shown in. */
export function proofOf(page: Stop): string {
  const proof = page.forms.flatMap(({ fields }) => fields).find(({ name }) => name === 'proof')?.value
  if (proof === undefined) throw new Error('a page without proof')
  return proof
}

/** A connection of GitHub's ends there, and the MCP server learns of it. */
export async function endAtGithub(house: House, person: Person, stay: Stay, at: Room): Promise<void> {
  house.github.control.revoke({ clientId: upstreamClient.clientId, user: person.github })
  house.clock.advance(28_801)
  expect((await refresh(house, stay.tokens.refresh_token)).status).toBe(200)
  expect((await fetchToken(house, at, stay.tsid, 'github')).status).toBe(424)
}

/** The button that links an account of a provider. */
export const link = (provider: string) => ({ button: `Sign in with ${provider} too` })

export type Subject = { id: string; identities: { provider: string; label: string }[] }

/** The ways in of whoever signs in by an account of this name. */
export async function identitiesOf(house: Pick<House, 'gateway'>, label: string): Promise<string[]> {
  const [found] = await listed<Subject>(house, `/subjects?label=${encodeURIComponent(label)}`)
  return found?.identities.map(({ provider, label }) => `${provider} ${label}`).sort() ?? []
}
