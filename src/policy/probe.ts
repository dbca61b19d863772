import { randomBytes } from 'node:crypto'
import { canonicalUri } from '../lib/canonical-uri.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { Probe, PublishedTool } from '../storage/documents.ts'
import { get, initialize, openSession, type ProbeRoute, post, type Session } from './probe-session.ts'
import type { RpcAnswer } from './rpc-answer.ts'

/** What is looked at of a running MCP server; all of it must be well before people are let in. */
export const probeChecks = [
  'metadata',
  'challenge',
  'garbage_token',
  'wrong_audience',
  'list_filter',
  'denied_call',
] as const
export type ProbeCheck = (typeof probeChecks)[number]

type Found = Omit<Probe, 'check'>

export type ProbedServer = {
  route: ProbeRoute
  issuer: string
  /** A token for it that opens nothing, and one that is for nobody. */
  token: string
  foreignToken: string
  /** What it publishes, and which of that may be called with that token. */
  tools: readonly PublishedTool[]
  callable: ReadonlySet<string>
}

/** Tries a running MCP server, from outside and as a client does. A tool is called only where that harms nothing. */
export async function probe(server: ProbedServer): Promise<Probe[]> {
  const { route, foreignToken } = server
  const garbage = randomBytes(24).toString('base64url')
  const [named, garbageToken, wrongAudience, inside] = await Promise.all([
    attempt(() => namedMetadata(server)),
    attempt(() => refused(route, garbage)),
    attempt(() => refused(route, foreignToken)),
    attempt(() => insideChecks(server)),
  ])
  const found: Record<ProbeCheck, Found> = {
    metadata: await attempt(() => describes(server, named)),
    challenge: named instanceof URL ? passed() : named,
    garbage_token: garbageToken,
    wrong_audience: wrongAudience,
    list_filter: 'list' in inside ? inside.list : inside,
    denied_call: 'call' in inside ? inside.call : inside,
  }
  return probeChecks.map((check) => ({ check, ...found[check] }))
}

const passed = (detail?: string): Found => ({ outcome: 'passed', ...(detail !== undefined && { detail }) })
const failed = (detail: string): Found => ({ outcome: 'failed', detail })
const skipped = (detail: string): Found => ({ outcome: 'skipped', detail })

/** A server that cannot be talked to has passed nothing. */
async function attempt<Outcome>(run: () => Promise<Outcome>): Promise<Outcome | Found> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof FetchError) return failed(error.message)
    throw error
  }
}

/** RFC 9728 section 3.1. */
function metadataUrl(uri: string): string {
  const { origin, pathname, search } = new URL(uri)
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}${search}`
}

/** Where the server says its metadata is, if that is at the server itself. */
async function namedMetadata({ route }: ProbedServer): Promise<URL | Found> {
  const { status, headers } = await knock(route)
  if (status !== 401) return failed(`answers ${status} to who has no token, and not 401`)
  const challenge = headers.get('www-authenticate') ?? ''
  const [, named] = /(?:^|[\s,])resource_metadata="([^"\\]*)"/i.exec(challenge) ?? []
  if (!/(?:^|,\s*)Bearer(?=\s|,|$)/i.test(challenge) || named === undefined) {
    return failed('its WWW-Authenticate is no Bearer challenge with resource_metadata')
  }
  const url = URL.parse(named)
  return url && url.origin === new URL(route.uri).origin
    ? url
    : failed('its resource_metadata leads to another host')
}

/** Clients take the address of the challenge, or else the well-known one: where there is the former, it counts. */
async function describes({ route, issuer }: ProbedServer, named: URL | Found): Promise<Found> {
  const response = await get(route, named instanceof URL ? named.href : metadataUrl(route.uri))
  if (response.status !== 200) return failed(`answers ${response.status} where its metadata should be`)
  const document = await jsonOf(response)
  const { resource, authorization_servers: servers } = document
  if (typeof resource !== 'string' || canonicalUri(resource) !== route.uri) {
    return failed('its metadata is of another resource')
  }
  const isNamed = Array.isArray(servers) && servers.includes(issuer)
  return isNamed ? passed() : failed('its metadata does not name this gateway')
}

async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  try {
    return Object(JSON.parse(await response.text()))
  } catch {
    return {}
  }
}

async function knock(route: ProbeRoute, headers: Record<string, string> = {}): Promise<Response> {
  return await post(route, { id: 1, method: 'initialize', params: initialize }, headers)
}

async function refused(route: ProbeRoute, token: string): Promise<Found> {
  const { status } = await knock(route, { authorization: `Bearer ${token}` })
  return status === 401 ? passed() : failed(`answers ${status}, and not 401`)
}

/** What only who has a good token gets to see. */
async function insideChecks(server: ProbedServer): Promise<{ list: Found; call: Found }> {
  const session = await openSession(server.route, server.token)
  try {
    const { status } = session.opened
    if (status === 401 || status === 403) return both(outside(status))
    const list = await listed(session, server)
    const call =
      list.outcome === 'failed'
        ? skipped('its list was not found to be filtered')
        : await denied(session, server)
    return { list, call }
  } finally {
    await attempt(() => session.end())
  }
}

const both = (found: Found) => ({ list: found, call: found })

/** A server that refuses every token is as useless as one that refuses none. */
const outside = (status: 401 | 403): Found =>
  status === 403 ? passed('nothing is open without a scope') : failed('refuses a good token of this gateway')

const mostPages = 10

async function listed(session: Session, server: ProbedServer): Promise<Found> {
  let shown: unknown[] = []
  let cursor: unknown
  for (let page = 0; page < mostPages; page++) {
    const answer = await session.call('tools/list', typeof cursor === 'string' ? { cursor } : {})
    if (answer.status === 401 || answer.status === 403) return outside(answer.status)
    if (!Array.isArray(answer.result?.tools)) return failed(`answers ${answer.status} and no list of tools`)
    shown = shown.concat(answer.result.tools.map((tool: unknown) => Object(tool).name))
    cursor = answer.result.nextCursor
    if (cursor === undefined) return filtered(shown, server)
  }
  return failed(`its list has more than ${mostPages} pages for who has no scope`)
}

function filtered(shown: readonly unknown[], { tools, callable }: ProbedServer): Found {
  const open = shown.filter((name) => typeof name !== 'string' || !callable.has(name))
  return open.length === 0 ? passed() : failed(`shows tools to who may not call them: ${named(open, tools)}`)
}

/** What a server makes up is not repeated: it might be the token. */
function named(shown: readonly unknown[], tools: readonly PublishedTool[]): string {
  const names = new Set(shown)
  const known = tools.map(({ name }) => name).filter((name) => names.delete(name))
  const others = names.size
  return [...known.slice(0, 5), ...(others > 0 ? [`${others} that it never published`] : [])].join(', ')
}

type Tried = { name: string; needsArguments: boolean }

/** A server that lets the call through must not do anything by it: it reads only, or lacks what it needs. */
function harmless({ tools, callable }: ProbedServer): Tried | 'none closed' | 'none harmless' {
  const closed = tools.filter(({ name }) => !callable.has(name))
  if (closed.length === 0) return 'none closed'
  const needs = ({ input_schema: { required } }: PublishedTool) =>
    Array.isArray(required) && required.length > 0
  const reading = closed.filter(({ annotations }) => annotations?.readOnlyHint === true)
  const found = reading.find((tool) => !needs(tool)) ?? reading[0] ?? closed.find(needs)
  return found ? { name: found.name, needsArguments: needs(found) } : 'none harmless'
}

async function denied(session: Session, server: ProbedServer): Promise<Found> {
  const tried = harmless(server)
  if (tried === 'none closed') return skipped('there is no tool that needs a scope')
  if (tried === 'none harmless') return skipped('no tool is marked readOnlyHint, or requires an argument')
  const answer = await session.call('tools/call', { name: tried.name, arguments: {} })
  if (answer.status === 401 || answer.status === 403) return passed()
  if (isDenial(answer) || (answer.error && !tried.needsArguments)) return passed()
  return answer.result && answer.result.isError !== true
    ? failed(`answers a call of ${tried.name} without its scope`)
    : failed(`does not say of a call of ${tried.name} that it is refused`)
}

/** In band, as the SDK says it; any other error may be one of the arguments. */
function isDenial({ result, error }: RpcAnswer): boolean {
  const said = Object(Object(result?._meta)['coatcheck/denial'] ?? error?.data)
  return typeof said.code === 'string' && typeof said.next_action === 'string'
}
