import { metadataPaths, type ParsedChallenges, parseChallenge } from '@coatcheck/mcp'
import { newId } from '../lib/secret.ts'
import { version } from '../lib/version.ts'
import { type Ask, documentIn, type Heard, header, type Json } from './heard.ts'
import { browserOrigin, reading, urlOf } from './requests.ts'
import { forge } from './resource-tokens.ts'

/** A place where clients look for the metadata of a protected resource (RFC 9728). */
export type Place = { place: 'header' | 'path' | 'root'; url: string; heard: Heard }

/** What was found of an MCP server. */
export type ResourceFacts = {
  /** As clients are told it. */
  url: string
  /** `initialize`, as every client begins, without a token. */
  bare: Heard
  challenge: ParsedChallenges | undefined
  /** In the order of clients. */
  places: readonly Place[]
  /** The document that clients come to first. */
  document: Json | undefined
  /** Other methods, and a body that is none, without a token. */
  get: Heard
  remove: Heard
  broken: Heard
  /** Credentials that are none. */
  basic: Heard
  garbage: Heard
  inQuery: Heard
  /** Tokens that nobody signed, and one that is for another server; absent where there is none to try. */
  unsigned: Heard | undefined
  forged: Heard | undefined
  foreign: Heard | undefined
}

/** Makes or has a good token of one of these issuers that is for another server, if it can. */
export type ForeignToken = (issuers: readonly string[]) => Promise<string | undefined>

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'coatcheck-test', version },
  },
})

/** One request as an MCP client begins. */
async function knock(ask: Ask, url: string, authorization?: string, body = initialize): Promise<Heard> {
  return await ask(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      origin: browserOrigin,
      ...(authorization !== undefined && { authorization }),
    },
    body,
  })
}

export type Approach = Pick<ResourceFacts, 'url' | 'bare' | 'challenge' | 'places' | 'document'>

/** What shows whether there is an MCP server at all, and where its metadata are. */
export async function approach(ask: Ask, url: string): Promise<Approach> {
  const { origin } = new URL(url)
  const [path = '', root] = metadataPaths(url)
  const look = async (place: Place['place'], at: string): Promise<Place> => ({
    place,
    url: at,
    heard: await ask(at, reading),
  })
  const [bare, atPath, atRoot] = await Promise.all([
    knock(ask, url),
    look('path', origin + path),
    root === undefined ? undefined : look('root', origin + root),
  ])
  const value = header(bare, 'www-authenticate')
  const challenge = value === undefined ? undefined : parseChallenge(value)
  const named = urlOf(parameterOf(challenge, 'resource_metadata'))
  const places = [
    ...(named === undefined ? [] : [await look('header', named)]),
    atPath,
    ...(atRoot ? [atRoot] : []),
  ]
  const document = places.map(({ heard }) => documentIn(heard)).find((each) => each !== undefined)
  return { url, bare, challenge, places, document }
}

/** A parameter of the Bearer challenge. */
export function parameterOf(challenge: ParsedChallenges | undefined, name: string): string | undefined {
  if (challenge?.outcome !== 'parsed') return undefined
  const bearer = challenge.challenges.find(({ scheme }) => scheme.toLowerCase() === 'bearer')
  return bearer?.parameters.get(name)
}

/** The authorization servers it names, as far as anybody could be asked there. */
export function issuersOf(document: Json | undefined): string[] {
  const servers = document?.authorization_servers
  const isAddress = (each: unknown) => /^https?:\/\//i.test(urlOf(each) ?? '')
  return Array.isArray(servers) ? servers.filter(isAddress) : []
}

/** Tries an MCP server with whatever it must refuse. No tool is ever called. */
export async function gatherResource(
  ask: Ask,
  approached: Approach,
  { now, foreignToken }: { now: number; foreignToken: ForeignToken | undefined },
): Promise<ResourceFacts> {
  const { url, document } = approached
  const issuers = issuersOf(document)
  const [issuer] = issuers
  const resource = typeof document?.resource === 'string' ? document.resource : url
  const forgeries = issuer === undefined ? undefined : await forge(resource, issuer, now)
  const foreign = await foreignToken?.(issuers)
  const garbage = newId('garbage-')
  const withQuery = new URL(url)
  withQuery.searchParams.set('access_token', garbage)
  const bearer = async (token: string | undefined) =>
    token === undefined ? undefined : await knock(ask, url, `Bearer ${token}`)
  const [get, remove, broken, basic, refused, inQuery, ...tokens] = await Promise.all([
    ask(url, { headers: { accept: 'text/event-stream', origin: browserOrigin } }),
    ask(url, { method: 'DELETE', headers: { 'mcp-session-id': newId('session-') } }),
    knock(ask, url, undefined, '{'),
    knock(ask, url, 'Basic Y29hdGNoZWNrOnRlc3Q='),
    knock(ask, url, `Bearer ${garbage}`),
    knock(ask, withQuery.href),
    bearer(forgeries?.unsigned),
    bearer(forgeries?.forged),
    bearer(foreign),
  ])
  const [unsigned, forged, heardForeign] = tokens
  const given = { get, remove, broken, basic, garbage: refused, inQuery }
  return { ...approached, ...given, unsigned, forged, foreign: heardForeign }
}
