import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Atlassian, startAtlassian } from '../../standins/atlassian.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import { type ChildGateway, startChildGateway } from '../support/child-gateway.ts'
import { createCredential, type ResourceCredential, redirectUri } from '../support/world.ts'
import { pick, type Random } from './scenario.ts'

export type StageOptions = {
  random: Random
  /** How many gateways on one database. */
  gateways?: number
  /** Of an empty database; absent: an SQLite file of the stage's own. */
  databaseUrl?: string
  /** More of the environment of each gateway. */
  env?: Record<string, string>
  /** Options of Node's for each gateway, such as `--import=...`. */
  node?: readonly string[]
  /** `generous`, unless said: one machine plays everybody, so nobody is slowed down. */
  crowd?: 'generous' | 'as configured'
  limits?: Record<string, number>
  lifetimes?: Record<string, number>
  /** Seconds an upstream token lives: as often, its refresh token is used. */
  upstreamLifetime?: number
}

/** Real gateways in processes of their own before a provider, with one MCP server that may draw on it. */
export type Stage = {
  issuer: string
  gateways: readonly ChildGateway[]
  /** Where the next request goes: to any of those that take part, as a load balancer would send it. */
  address(): string
  /** Whether any takes part. */
  isOpen(): boolean
  /** Takes a gateway out of the balancer, or back in. */
  setOut(gateway: ChildGateway, state: 'out' | 'in'): void
  provider: Atlassian
  credential: ResourceCredential
  /** A client the administrator trusts, at a web address: a remembered consent lets it in without a page. */
  trusted: ResourceCredential & { redirectUri: string }
  /** Whose an upstream token is, by the provider's own record. */
  ownerOf(accessToken: string): string | undefined
  /** A browser of somebody who is signed in at the provider, and at nothing of ours yet. */
  newPerson(): { name: string; accountId: string; browser: Browser }
  /** What the gateways' processes are given, for commands that look at the same database. */
  env: Record<string, string>
  /** A folder of the stage's own. */
  folder: string
  stop(): Promise<void>
}

export const resourceUri = 'https://torture.test/mcp'
export const tokenRoute = 'POST /oauth/token'
/** Seconds after which nobody holds an upstream refresh that died with its process. */
export const leaseLifetime = 11

const upstreamClient = { clientId: 'coatcheck', clientSecret: 'torture-secret' }

const generous = {
  late_refreshes: 1_000,
  registrations_per_address: 100_000,
  registrations: 100_000,
  registration_changes: 100_000,
  registration_changes_per_client: 10_000,
  authorizations_per_address: 100_000,
  authorizations_per_client: 100_000,
  authorizations: 100_000,
  token_requests_per_client: 100_000,
  token_requests_per_address: 100_000,
  unknown_sessions_per_resource: 100_000,
  failed_authentications_per_address: 100_000,
  failed_authentications_per_caller: 100_000,
  callbacks_per_provider: 100_000,
  account_visits_per_address: 100_000,
  unknown_visits_per_address: 100_000,
  visits_per_interaction: 10_000,
}

/** A client whose answer was lost has long to ask again. */
const lifetimes = { upstream_refresh_margin: 0, upstream_failure_backoff: 1, refresh_grace: 300 }

export async function openStage(options: StageOptions): Promise<Stage> {
  const { random, node = [], upstreamLifetime = 5 } = options
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-torture-'))
  const file = join(folder, 'config.json')
  const config = {
    // What ends by its number ends by nobody's word.
    limits: {
      sessions_per_client: 1_000,
      ...(options.crowd === 'as configured' ? {} : generous),
      ...options.limits,
    },
    lifetimes: { ...lifetimes, ...options.lifetimes },
  }
  writeFileSync(file, JSON.stringify(config))
  const common = {
    COATCHECK_CONFIG: file,
    COATCHECK_LOG_LEVEL: 'warn',
    COATCHECK_DATABASE_URL: options.databaseUrl ?? `sqlite:${join(folder, 'coatcheck.db')}`,
    // Starting is measured, and nobody installs their gateway anew each time.
    NODE_COMPILE_CACHE: join(tmpdir(), 'coatcheck-torture-code'),
    ...options.env,
  }
  const first = await startChildGateway(common, node)
  const env = {
    ...common,
    COATCHECK_ISSUER: first.issuer,
    COATCHECK_MASTER_KEYS: `test:${Buffer.from(first.masterKey).toString('base64')}`,
    COATCHECK_ADMIN_TOKEN: first.adminToken,
  }
  const gateways = [first]
  while (gateways.length < (options.gateways ?? 1)) gateways.push(await startChildGateway(env, node))
  const provider = await provide(first, upstreamLifetime)
  const credential = await openResource(first)
  const trusted = await trustClient(first)

  const out = new Set<ChildGateway>()
  const address = () => {
    const there = gateways.filter((gateway) => !out.has(gateway))
    return pick(there.length > 0 ? there : gateways, random).url
  }
  let people = 0
  return {
    issuer: first.issuer,
    gateways,
    address,
    isOpen: () => out.size < gateways.length,
    setOut: (gateway, state) => void (state === 'out' ? out.add(gateway) : out.delete(gateway)),
    provider,
    credential,
    trusted,
    ownerOf: ownersAt(provider),
    newPerson() {
      const name = `person${++people}`
      const accountId = `5b10:${name}`
      provider.control.addUser({ accountId, email: `${name}@acme.test`, name, sites: ['site'] })
      const served = { get [first.issuer]() { return address() } } // biome-ignore format: one line
      const browser = createBrowser({ redirectUris: [redirectUri], served })
      signInAtProvider(browser, provider, accountId)
      return { name, accountId, browser }
    },
    env,
    folder,
    async stop() {
      await Promise.all(gateways.map((gateway) => gateway.stop()))
      await provider.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The provider's record only grows, so what was read of it once is not read again. */
function ownersAt({ control }: Atlassian): Stage['ownerOf'] {
  const owners = new Map<string, string>()
  return (accessToken) => {
    if (!owners.has(accessToken)) for (const { value, user } of control.issued()) owners.set(value, user)
    return owners.get(accessToken)
  }
}

/** As if they had picked their account on the provider's page before. */
function signInAtProvider(browser: Browser, { auth }: Atlassian, accountId: string): void {
  const value = encodeURIComponent(accountId)
  browser.cookies.plant({ name: 'standin_atlassian_user', value, host: new URL(auth).hostname })
}

async function provide(gateway: ChildGateway, accessLifetime: number): Promise<Atlassian> {
  const redirectUri = `${gateway.issuer}/oauth/callback/atlassian`
  const provider = await startAtlassian({
    clients: [{ ...upstreamClient, redirectUri, scopes: ['read:me', 'read:jira-work'] }],
    sites: [{ id: 'site', name: 'Acme' }],
  })
  provider.control.set({ accessLifetime, leeway: 600 })
  provider.control.autoApprove()
  await gateway.admin('PUT', '/providers/atlassian', {
    descriptor: 'atlassian',
    variables: { auth: provider.auth, api: provider.api },
    client_id: upstreamClient.clientId,
    client_secret: upstreamClient.clientSecret,
    admit: 'anyone',
  })
  return provider
}

async function openResource(gateway: ChildGateway): Promise<ResourceCredential> {
  await gateway.admin('PUT', '/resources/torture', {
    resource: resourceUri,
    name: 'Torture',
    scopes: { 'notes.read': 'Read your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }],
  })
  return await createCredential(gateway, 'torture')
}

async function trustClient(gateway: ChildGateway): Promise<Stage['trusted']> {
  const redirectUri = 'https://trusted.test/callback'
  const made = await gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    client_name: 'Trusted',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token'],
    trusted: true,
  })
  return { id: made.client_id, secret: made.client_secret, redirectUri }
}
