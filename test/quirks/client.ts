import { type Browser, createBrowser, type Stop } from '../support/browser.ts'
import type { TestGateway } from '../support/gateway.ts'
import { authorizeUrl, newPkce } from '../support/world.ts'

/** What a client was told when it registered, or knows from its own document. */
export type Registered = {
  client_id: string
  client_secret?: string
  redirect_uris?: string[]
  token_endpoint_auth_method?: string
}

/** Opens an authorization request; a parameter that is empty is not sent, and one with a list is sent so often. */
export async function ask(
  gateway: TestGateway,
  clientId: string,
  asks: Record<string, string | string[]>,
  browser: Browser = createBrowser({ redirectUris: [asks.redirect_uri ?? []].flat() }),
): Promise<{ page: Stop; verifier: string; browser: Browser }> {
  const { verifier, challenge } = newPkce()
  const url = new URL(authorizeUrl({ gateway, clientId }, challenge, { resource: '' }))
  for (const [name, value] of Object.entries(asks)) {
    url.searchParams.delete(name)
    for (const each of [value].flat()) url.searchParams.append(name, each)
  }
  for (const [name, value] of [...url.searchParams]) if (value === '') url.searchParams.delete(name)
  return { page: await browser.get(url.href), verifier, browser }
}

/** The same to its end, with a yes to everything. */
export async function authorize(
  gateway: TestGateway,
  clientId: string,
  redirectUri: string,
  asks: Record<string, string | string[]>,
  browser = createBrowser({ redirectUris: [redirectUri] }),
) {
  const { page, verifier } = await ask(gateway, clientId, { redirect_uri: redirectUri, ...asks }, browser)
  const stop = await browser.walk(page, ['allow'])
  if (!stop.left) throw new Error(`still on ${stop.status} ${stop.text}`)
  return { page, verifier, browser, url: stop.url, answer: new URL(stop.url).searchParams }
}

/** How both SDKs send Basic, not encoded, and how RFC 6749 section 2.3.1 has it. */
export type Encoding = (text: string) => string
export const asItIs: Encoding = (text) => text

export async function askForTokens(
  gateway: TestGateway,
  client: Registered,
  form: Record<string, string>,
  encode = asItIs,
) {
  const { client_id: id, client_secret: secret } = client
  const pair = Buffer.from(`${encode(id)}:${encode(secret ?? '')}`).toString('base64')
  const response = await fetch(`${gateway.url}/oauth/token`, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      ...(secret === undefined ? {} : { authorization: `Basic ${pair}` }),
    },
    body: new URLSearchParams(secret === undefined ? { client_id: id, ...form } : form),
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

export const hasNull = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.values(value).some(hasNull))

/** A refresh token that looks like one and that nobody was given. */
export const deadToken = `cc_rt_${'A'.repeat(43)}`
