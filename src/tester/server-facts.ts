import { discoveryUrls } from '@coatcheck/mcp'
import { newId } from '../lib/secret.ts'
import { type ClientFacts, tryClient } from './client-facts.ts'
import { type Ask, documentIn, type Heard, type Json } from './heard.ts'
import {
  authorize,
  newStranger,
  posting,
  preflight,
  reading,
  redeemNothing,
  strangerRedirect,
  urlOf,
} from './requests.ts'

export type Form = { url: string; heard: Heard }

export type Found = Form & { metadata: Json }

/** What was found of an authorization server. */
export type ServerFacts = {
  /** As clients are told it. */
  issuer: string
  /** Where clients look for its metadata, in their order. */
  forms: readonly Form[]
  /** RFC 8414's name appended to the path, where no client looks. */
  misplaced: Heard | undefined
  /** The first document that a client comes to. */
  found: Found | undefined
  /** A well-known path that nobody can know. */
  unknownPath: Heard
  metadataPreflight: Heard | undefined
  jwks: Heard | undefined
  /** The authorization and the token endpoint, asked by a client they cannot know. */
  authorization: Heard | undefined
  token: Heard | undefined
  tokenPreflight: Heard | undefined
  /** The registration endpoint, sent what registers nothing. */
  registration: Heard | undefined
  registrationPreflight: Heard | undefined
  /** Whether a client was to be registered, and what it has seen. */
  registering: Registering
  client: ClientFacts | undefined
}

/** Whether a client may be registered, which leaves something behind where it cannot be deleted. */
export type Registering = 'register' | 'leave'

export async function lookUp(ask: Ask, issuer: string): Promise<Form[]> {
  return await Promise.all(
    discoveryUrls(issuer).map(async (url) => ({ url, heard: await ask(url, reading) })),
  )
}

/** The first form that is a document. */
export function foundIn(forms: readonly Form[]): Found | undefined {
  for (const form of forms) {
    const metadata = documentIn(form.heard)
    if (metadata) return { ...form, metadata }
  }
  return undefined
}

/** Asks an authorization server whatever can be asked without a person. */
export async function gatherServer(
  ask: Ask,
  issuer: string,
  { forms, registering }: { forms: readonly Form[]; registering: Registering },
): Promise<ServerFacts> {
  const found = foundIn(forms)
  const known = { issuer, forms, found, registering }
  const [discovery, endpoints] = await Promise.all([
    gatherDiscovery(ask, issuer, found),
    gatherEndpoints(ask, found?.metadata ?? {}),
  ])
  const client = registering === 'register' && found ? await tryClient(ask, found.metadata) : undefined
  return { ...known, ...discovery, ...endpoints, client }
}

const at = async (url: string | undefined, run: (url: string) => Promise<Heard>) =>
  url === undefined ? undefined : await run(url)

async function gatherDiscovery(ask: Ask, issuer: string, found: Found | undefined) {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const appended = path === '' ? undefined : `${origin}${path}/.well-known/oauth-authorization-server`
  const [misplaced, unknownPath, metadataPreflight, jwks] = await Promise.all([
    at(appended, (url) => ask(url, reading)),
    ask(`${origin}/.well-known/${newId('unknown-')}`, reading),
    at(found?.url, (url) => preflight(ask, url, 'GET', 'mcp-protocol-version')),
    at(urlOf(found?.metadata.jwks_uri), (url) => ask(url, reading)),
  ])
  return { misplaced, unknownPath, metadataPreflight, jwks }
}

async function gatherEndpoints(ask: Ask, metadata: Json) {
  const token = urlOf(metadata.token_endpoint)
  const registration = urlOf(metadata.registration_endpoint)
  const stranger = { clientId: newStranger(), redirectUri: strangerRedirect }
  const [authorization, ...others] = await Promise.all([
    at(urlOf(metadata.authorization_endpoint), (url) =>
      authorize(ask, url, { client_id: newStranger(), redirect_uri: strangerRedirect, state: newId('') }),
    ),
    at(token, (url) => redeemNothing(ask, url, stranger)),
    at(token, (url) => preflight(ask, url, 'POST', 'authorization, content-type')),
    at(registration, (url) => ask(url, { ...posting, body: '[]' })),
    at(registration, (url) => preflight(ask, url, 'POST', 'content-type')),
  ])
  const [tokenAnswer, tokenPreflight, registrationAnswer, registrationPreflight] = others
  return {
    authorization,
    token: tokenAnswer,
    tokenPreflight,
    registration: registrationAnswer,
    registrationPreflight,
  }
}
