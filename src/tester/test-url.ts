import { challengeRules } from './challenge-rules.ts'
import { type Check, judgeAll, type Rule, type Unchecked } from './check.ts'
import { clientRules } from './client-rules.ts'
import { discoveryRules } from './discovery-rules.ts'
import { endpointRules } from './endpoint-rules.ts'
import type { Ask } from './heard.ts'
import { keyRules } from './key-rules.ts'
import { mcpAuthRules } from './mcp-auth-rules.ts'
import { metadataRules } from './metadata-rules.ts'
import {
  type Approach,
  approach,
  type ForeignToken,
  gatherResource,
  issuersOf,
  type ResourceFacts,
} from './resource-facts.ts'
import { resourceRules } from './resource-rules.ts'
import {
  type Form,
  foundIn,
  gatherServer,
  lookUp,
  type Registering,
  type ServerFacts,
} from './server-facts.ts'
import { specs } from './specs.ts'

/** Every question there is to an authorization server, in the order of the report. */
export const serverRules: readonly Rule<ServerFacts>[] = [
  ...mcpAuthRules,
  ...discoveryRules,
  ...metadataRules,
  ...keyRules,
  ...endpointRules,
  ...clientRules,
]

/** And to an MCP server. */
export const mcpServerRules: readonly Rule<ResourceFacts>[] = [...resourceRules, ...challengeRules]

export type Tested = {
  kind: 'authorization_server' | 'mcp_server'
  url: string
  checks: Check[]
  unchecked: Unchecked[]
}

/** `ok`: nothing is an error, of an MCP server nor of the authorization servers it names. */
export type TestReport = { ok: boolean; tested: Tested[] }

export type TestOptions = {
  ask: Ask
  /** What keys and tokens that are made for it are dated with, in epoch seconds. */
  now: number
  registering: Registering
  foreignToken?: ForeignToken
}

/** Of those an MCP server names, so many are tested; a hostile one may name any number. */
const mostServers = 3

/** Whether an authorization server, or an MCP server with those it names, is fit for MCP. */
export async function testUrl(url: string, options: TestOptions): Promise<TestReport> {
  const given = issuerIn(url)
  const forms = await lookUp(options.ask, given)
  const named = namedBy(forms, given)
  if (named !== undefined) return reportOf([await testServer(named, forms, options)])
  const approached = await approach(options.ask, url)
  if (isMcpServer(approached)) return reportOf(await testMcpServer(approached, options))
  return reportOf([await testServer(given, forms, options)])
}

const reportOf = (tested: Tested[]): TestReport => ({
  ok: tested.every(({ checks }) => checks.every(({ kind }) => kind !== 'error')),
  tested,
})

/** The issuer whose metadata lie at a URL; any other URL is one itself. */
function issuerIn(url: string): string {
  const { origin, pathname } = new URL(url)
  const names = '/\\.well-known/(?:oauth-authorization-server|openid-configuration)'
  const [, before = '', after = ''] = new RegExp(`^(.*)${names}(/.*)?$`).exec(pathname) ?? []
  return pathname.includes('/.well-known/') && new RegExp(names).test(pathname)
    ? origin + before + after
    : url
}

/** The issuer that a document there names, be it written with a slash at its end or without. */
function namedBy(forms: readonly Form[], given: string): string | undefined {
  const issuer = foundIn(forms)?.metadata.issuer
  const bare = (text: string) => text.replace(/\/$/, '')
  return typeof issuer === 'string' && bare(issuer) === bare(given) ? issuer : undefined
}

const isMcpServer = ({ bare, document }: Approach): boolean =>
  document !== undefined || (bare.outcome === 'answer' && [200, 401].includes(bare.status))

async function testServer(issuer: string, forms: readonly Form[], options: TestOptions): Promise<Tested> {
  const { ask, registering } = options
  const facts = await gatherServer(ask, issuer, { forms, registering })
  return { kind: 'authorization_server', url: issuer, ...judgeAll(serverRules, facts) }
}

async function testMcpServer(approached: Approach, options: TestOptions): Promise<Tested[]> {
  const { ask, now, foreignToken } = options
  const facts = await gatherResource(ask, approached, { now, foreignToken })
  const issuers = [...new Set(issuersOf(facts.document))]
  const servers = await Promise.all(
    issuers
      .slice(0, mostServers)
      .map(async (issuer) => await testServer(issuer, await lookUp(ask, issuer), options)),
  )
  const judged = judgeAll(mcpServerRules, facts)
  if (issuers.length > mostServers) judged.unchecked.push(leftOut)
  return [{ kind: 'mcp_server', url: approached.url, ...judged }, ...servers]
}

const leftOut: Unchecked = {
  code: 'authorization_servers',
  message: `It names more than ${mostServers}; the others were not tested.`,
  spec: specs.protectedResource('2'),
}
