import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Atlassian, startAtlassian } from '../../../standins/atlassian.ts'
import { type ChildGateway, startChildGateway } from '../../support/child-gateway.ts'
import {
  createCredential,
  newBrowser,
  type ResourceCredential,
  registerClient,
  retrieve,
  signIn,
} from '../../support/world.ts'

/** How a provider takes a refresh token that was used before: again for a while, or as the end of the family. */
export type Temper = 'lenient' | 'strict'

export const tempers = ['lenient', 'strict'] as const

/** Somebody with a session, and what their MCP server was answered last. */
export type Person = { name: string; temper: Temper; tsid: string }

export type Stage = {
  /** Two processes on one database. */
  gateways: [ChildGateway, ChildGateway]
  providers: Record<Temper, Atlassian>
  enter(temper: Temper): Promise<Person>
  /** One retrieval, by one of the gateways; `undefined` where it is not there or dies with the answer. */
  ask(person: Person, gateway: ChildGateway): Promise<Asked | undefined>
  stop(): Promise<void>
}

export type Asked = { status: number; code: unknown; token: unknown }

export const tokenRoute = 'POST /oauth/token'
/** Seconds a token of theirs lives. */
export const accessLifetime = 2
/** Seconds after which a provider that is slow is not waited for any more, by the limits below. */
export const deadline = 3
/** Seconds after which nobody holds a lease that died with its process, one that was just renewed included. */
export const leaseLifetime = 11

const settings = {
  lifetimes: { upstream_refresh_margin: 0, upstream_failure_backoff: 1 },
  limits: {
    upstream_deadline: deadline,
    discovery_deadline: 1,
    upstream_refresh_deadline: 15,
    late_refreshes: 1_000,
    registrations_per_address: 100_000,
    authorizations_per_address: 100_000,
    authorizations_per_client: 100_000,
    authorizations: 100_000,
    token_requests_per_client: 100_000,
    token_requests_per_address: 100_000,
    retrievals_per_resource: 1_000_000,
    visits_per_interaction: 1_000,
    callbacks_per_address: 100_000,
    connect_links_per_session: 1_000,
  },
}

const upstreamClient = { clientId: 'coatcheck', clientSecret: 'torture-secret' }

/** Two gateways on one database before two providers: one forgives a refresh token sent twice, one ends the family. */
export async function setStage(known: ReadonlySet<string>): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-torture-'))
  const file = join(folder, 'config.json')
  const limits = Object.fromEntries(Object.entries(settings.limits).filter(([name]) => known.has(name)))
  writeFileSync(file, JSON.stringify({ ...settings, limits }))
  const first = await startChildGateway({ COATCHECK_CONFIG: file, COATCHECK_LOG_LEVEL: 'error' })
  const shared = {
    COATCHECK_CONFIG: file,
    COATCHECK_LOG_LEVEL: 'error',
    COATCHECK_ISSUER: first.issuer,
    COATCHECK_DATABASE_URL: first.database.url,
    COATCHECK_MASTER_KEYS: `test:${Buffer.from(first.masterKey).toString('base64')}`,
    COATCHECK_ADMIN_TOKEN: first.adminToken,
  }
  const second = await startChildGateway(shared)
  const providers = { lenient: await provide(first, 'lenient'), strict: await provide(first, 'strict') }
  const rooms = { lenient: await open(first, 'lenient'), strict: await open(first, 'strict') }
  const clientId = await registerClient(first)
  let people = 0
  return {
    gateways: [first, second],
    providers,
    async enter(temper) {
      const name = `person${++people}`
      const { control } = providers[temper]
      control.addUser({ accountId: `5b10:${name}`, email: `${name}@acme.test`, name, sites: ['site'] })
      control.autoApprove(`${name}@acme.test`)
      const world = { gateway: first, clientId, clock: first.clock }
      const parameters = { resource: uriOf(temper) }
      const browser = newBrowser()
      const { tsid } = await signIn(world, { browser, parameters, presses: [temper, 'allow'] })
      return { name, temper, tsid }
    },
    async ask({ tsid, temper }, gateway) {
      try {
        const world = { gateway, credential: rooms[temper], provider: temper }
        const { status, body } = await retrieve(world, tsid)
        return { status, code: body.error_code, token: body.access_token }
      } catch {
        return undefined
      }
    },
    async stop() {
      await second.stop()
      await first.stop()
      await Promise.all(Object.values(providers).map((provider) => provider.stop()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const uriOf = (temper: Temper) => `https://${temper}.test/mcp`

async function provide(gateway: ChildGateway, temper: Temper): Promise<Atlassian> {
  const redirectUri = `${gateway.issuer}/oauth/callback/${temper}`
  const provider = await startAtlassian({
    clients: [{ ...upstreamClient, redirectUri, scopes: ['read:me', 'read:jira-work'] }],
    sites: [{ id: 'site', name: 'Acme' }],
  })
  provider.control.set({ accessLifetime, leeway: temper === 'strict' ? 0 : 600 })
  await gateway.admin('PUT', `/providers/${temper}`, {
    descriptor: { extends: 'atlassian', refresh: { reuse_window: temper === 'strict' ? 0 : 600 } },
    variables: { auth: provider.auth, api: provider.api },
    client_id: upstreamClient.clientId,
    client_secret: upstreamClient.clientSecret,
    admit: 'anyone',
  })
  return provider
}

async function open(gateway: ChildGateway, temper: Temper): Promise<ResourceCredential> {
  await gateway.admin('PUT', `/resources/${temper}`, {
    resource: uriOf(temper),
    name: temper,
    scopes: { 'notes.read': 'Read your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider: temper, scopes: ['read:jira-work'] }],
  })
  return await createCredential(gateway, temper)
}
