import { newId } from '../lib/secret.ts'
import type { Ask, Heard } from './heard.ts'

/** An origin that a client in a browser may have. */
export const browserOrigin = 'https://mcp-client.example'

export const reading = { headers: { accept: 'application/json', origin: browserOrigin } }

/** As a browser goes there, with a script of another origin behind it. */
const browsing = { headers: { accept: 'text/html,*/*;q=0.8', origin: browserOrigin } }

export const posting = {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json', origin: browserOrigin },
}

/** What a browser asks before it lets a script of another origin go on (Fetch standard). */
export async function preflight(ask: Ask, url: string, method: string, headers: string): Promise<Heard> {
  return await ask(url, {
    method: 'OPTIONS',
    headers: {
      origin: browserOrigin,
      'access-control-request-method': method,
      'access-control-request-headers': headers,
    },
  })
}

/** Where a person who is sent by a client nobody knows must not be sent on to. */
export const strangerRedirect = `${browserOrigin}/callback`

export const newStranger = () => newId('coatcheck-test-unknown-')

// RFC 7636 appendix B.
const pkce = {
  verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
}

/** An authorization request; a parameter that is undefined is left out. */
export async function authorize(
  ask: Ask,
  endpoint: string,
  parameters: Record<string, string | undefined>,
): Promise<Heard> {
  const url = new URL(endpoint)
  const all = {
    response_type: 'code',
    code_challenge: pkce.challenge,
    code_challenge_method: 'S256',
    ...parameters,
  }
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return await ask(url.href, browsing)
}

/** Redeems a code that nobody ever issued. */
export async function redeemNothing(
  ask: Ask,
  url: string,
  by: { clientId: string; redirectUri: string },
): Promise<Heard> {
  return await ask(url, {
    method: 'POST',
    headers: reading.headers,
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: newId('code-'),
      client_id: by.clientId,
      redirect_uri: by.redirectUri,
      code_verifier: pkce.verifier,
    }),
  })
}

export const urlOf = (value: unknown): string | undefined =>
  typeof value === 'string' && URL.canParse(value) ? value : undefined
