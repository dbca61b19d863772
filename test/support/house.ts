import { type Atlassian, startAtlassian } from '../../standins/atlassian.ts'
import { type Github, startGithub } from '../../standins/github.ts'
import { paths } from '../../standins/google/metadata.ts'
import { type Google, startGoogle } from '../../standins/google.ts'
import type { Browser, Press, Stop } from './browser.ts'
import {
  createTestClock,
  startTestGateway,
  type TestClock,
  type TestGateway,
  type TestGatewayOptions,
} from './gateway.ts'
import {
  authorizeUrl,
  createCredential,
  newBrowser,
  newPkce,
  type ResourceCredential,
  redeem,
  registerClient,
  retrieve,
  type Tokens,
  tsidOf,
} from './world.ts'

export const upstreamClient = {
  clientId: 'coatcheck-at-upstream',
  clientSecret: 'upstream-secret-canary-1f6e',
}

/** Somebody with an account at each of the three providers, and what each calls it. */
export type Person = { name: string; github: string; google: string; atlassian: string }

export type ProviderName = 'github' | 'google' | 'atlassian'

/** An MCP server of the house, with what its calls need. */
export type Room = { id: string; uri: string; credential: ResourceCredential }

/** A gateway with GitHub, Google and Atlassian behind it, and a client that registered itself. */
export type House = {
  gateway: TestGateway
  clock: TestClock
  clientId: string
  github: Github
  google: Google
  atlassian: Atlassian
  /** What an administrator said of each provider, but for its secret, which stays when it is said again. */
  definitions: Record<ProviderName, Record<string, unknown>>
  /** A person nobody has seen before; from now on every provider's browser is theirs, and they approve everything. */
  newPerson(): Person
  /** Whose account each provider finds in everybody's browser; they approve everything. */
  seat(accounts: Partial<Person>): void
  /** Registers an MCP server; `definition` is laid over one with two scopes, `notes.read` the default. */
  open(id: string, definition: Record<string, unknown>): Promise<Room>
  /** How often browsers were sent to each provider so far. */
  trips(): Record<ProviderName, number>
  stop(): Promise<void>
}

export const calendar = 'https://www.googleapis.com/auth/calendar.readonly'
export const drive = 'https://www.googleapis.com/auth/drive.readonly'

export async function startHouse(options: TestGatewayOptions = {}): Promise<House> {
  const { clock = createTestClock() } = options
  const gateway = await startTestGateway({ ...options, clock })
  const at = (id: string) => `${gateway.issuer}/oauth/callback/${id}`
  const github = await startGithub({
    clock: clock.now,
    clients: [{ ...upstreamClient, redirectUris: [at('github')], expiringTokens: true }],
  })
  // GitHub's own limits are other tests' matter: everybody here signs in within one hour.
  github.control.set({ tokensPerHour: 1000, liveTokens: 1000 })
  const google = await startGoogle({
    clock: clock.now,
    clients: [{ ...upstreamClient, redirectUris: [at('google')] }],
  })
  const atlassian = await startAtlassian({
    clock: clock.now,
    clients: [
      {
        ...upstreamClient,
        redirectUri: at('atlassian'),
        scopes: ['read:me', 'read:jira-work', 'write:jira-work'],
      },
    ],
    sites: [{ id: 'site', name: 'Acme' }],
  })
  const registered = { client_id: upstreamClient.clientId, admit: 'anyone' }
  const definitions = {
    github: { ...registered, descriptor: 'github', variables: { web: github.web, api: github.api } },
    google: { ...registered, descriptor: 'google', variables: { issuer: google.issuer } },
    atlassian: {
      ...registered,
      descriptor: 'atlassian',
      variables: { auth: atlassian.auth, api: atlassian.api },
    },
  }
  for (const [id, definition] of Object.entries(definitions)) {
    const secret = { client_secret: upstreamClient.clientSecret }
    await gateway.admin('PUT', `/providers/${id}`, { ...secret, ...definition })
  }

  const seat: House['seat'] = (accounts) => {
    if (accounts.github) github.control.autoApprove(accounts.github)
    if (accounts.google) google.control.autoApprove(accounts.google)
    if (accounts.atlassian) atlassian.control.autoApprove(accounts.atlassian)
  }
  let people = 0
  return {
    gateway,
    clock,
    definitions,
    clientId: await registerClient(gateway),
    github,
    google,
    atlassian,
    seat,
    newPerson() {
      const name = `person${++people}`
      const email = `${name}@gmail.test`
      const person = { name, github: name, google: email, atlassian: `${name}@acme.test` }
      github.control.addUser({ id: 1000 + people, login: name, emails: [{ email, primary: true }] })
      google.control.addUser({ sub: String(1000 + people), email, name })
      atlassian.control.addUser({
        accountId: `5b10:${name}`,
        email: person.atlassian,
        name,
        sites: ['site'],
      })
      seat(person)
      return person
    },
    async open(id, definition) {
      const uri = `https://${id}.test/mcp`
      await gateway.admin('PUT', `/resources/${id}`, {
        resource: uri,
        name: id,
        scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
        default_scopes: ['notes.read'],
        ...definition,
      })
      return { id, uri, credential: await createCredential(gateway, id) }
    },
    trips: () => ({
      github: github.calls('GET /login/oauth/authorize').length,
      google: google.calls(`GET ${paths.authorize}`).length,
      atlassian: atlassian.calls('GET /authorize').length,
    }),
    async stop() {
      await gateway.stop()
      await Promise.all([github.stop(), google.stop(), atlassian.stop()])
    },
  }
}

export type Visit = {
  browser?: Browser
  /** Pressed on every page on the way, the first that fits. */
  presses?: readonly (string | Press)[]
  parameters?: Record<string, string>
  clientId?: string
}

/** Opens an authorization for a room and goes on as far as the presses lead. */
export async function visit(
  house: House,
  room: Room,
  { browser = newBrowser(), presses = ['github', 'allow'], parameters = {}, clientId }: Visit = {},
): Promise<{ stop: Stop; verifier: string; browser: Browser }> {
  const { verifier, challenge } = newPkce()
  const target = { gateway: house.gateway, clientId: clientId ?? house.clientId }
  const url = authorizeUrl(target, challenge, { resource: room.uri, ...parameters })
  return { stop: await browser.walk(url, presses), verifier, browser }
}

export type Stay = { tokens: Tokens; tsid: string; browser: Browser }

/** The whole way to a session at a room. */
export async function enter(house: House, room: Room, options: Visit = {}): Promise<Stay> {
  const { stop, verifier, browser } = await visit(house, room, options)
  const code = stop.left ? new URL(stop.url).searchParams.get('code') : null
  if (code === null) throw new Error(`no code at ${stop.url}: ${stop.text}`)
  const response = await redeem(
    { ...house, clientId: options.clientId ?? house.clientId },
    { code, verifier },
  )
  if (!response.ok) throw new Error(`the code was answered ${response.status} ${await response.text()}`)
  const tokens = (await response.json()) as Tokens
  return { tokens, tsid: tsidOf(tokens), browser }
}

/** What a room is answered when it asks for an upstream token of a session. */
export async function fetchToken(
  house: House,
  room: Room,
  tsid: string,
  provider: ProviderName,
  query: Record<string, string> = {},
) {
  return await retrieve({ gateway: house.gateway, credential: room.credential, provider }, tsid, { query })
}
