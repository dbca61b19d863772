import { onTestFinished } from 'vitest'
import type { Clock } from '../../src/lib/clock.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import { type Atlassian, startAtlassian } from '../../standins/atlassian.ts'
import { type Github, startGithub } from '../../standins/github.ts'
import { type Google, startGoogle } from '../../standins/google.ts'
import { type Oidc, type OidcOptions, startOidc } from '../../standins/oidc.ts'
import { client, redirectUri, testProvider } from './upstream.ts'

/** Stand-ins with one client and one person, who approves everything; stopped when the test ends. */
type Started<Standin> = { standin: Standin; provider: Provider }

type Overlay = Record<string, unknown>

const registered = { ...client, redirectUris: [redirectUri] as [string] }

export const octocat = {
  id: 583231,
  login: 'octocat',
  name: 'Mona',
  emails: [{ email: 'mona@octo.test', primary: true }],
}

export const ada = { sub: '1042', email: 'ada@acme.test', name: 'Ada', hd: 'acme.test' }

export const lin = { accountId: '5b10:ac8d', email: 'lin@acme.test', name: 'Lin', sites: ['site'] }

export const grace = { sub: 'u-1', name: 'Grace', email: 'grace@id.test' }

type GithubSetup = {
  clock?: Clock
  overlay?: Overlay
  app?: { kind?: 'github-app'; expiringTokens?: boolean; suspended?: boolean }
}

export async function githubWith({ clock, overlay, app }: GithubSetup = {}): Promise<Started<Github>> {
  const standin = await startGithub({
    clients: [{ ...registered, ...app }],
    users: [octocat],
    ...(clock && { clock }),
  })
  onTestFinished(standin.stop)
  standin.control.autoApprove('octocat')
  const id = app?.kind === 'github-app' ? 'github-app' : 'github'
  const provider = testProvider({ extends: id, ...overlay }, { web: standin.web, api: standin.api })
  return { standin, provider }
}

export async function googleWith({
  clock,
  overlay,
}: {
  clock?: Clock
  overlay?: Overlay
} = {}): Promise<Started<Google>> {
  const standin = await startGoogle({ clients: [registered], users: [ada], ...(clock && { clock }) })
  onTestFinished(standin.stop)
  standin.control.autoApprove('ada@acme.test')
  return { standin, provider: testProvider({ extends: 'google', ...overlay }, { issuer: standin.issuer }) }
}

export async function atlassianWith({ clock }: { clock?: Clock } = {}): Promise<Started<Atlassian>> {
  const standin = await startAtlassian({
    clients: [{ ...client, redirectUri, scopes: ['read:me', 'read:jira-work'] }],
    users: [lin],
    sites: [{ id: 'site', name: 'Acme' }],
    ...(clock && { clock }),
  })
  onTestFinished(standin.stop)
  standin.control.autoApprove('lin@acme.test')
  return { standin, provider: testProvider('atlassian', { auth: standin.auth, api: standin.api }) }
}

export async function oidcWith(options: OidcOptions = {}): Promise<Started<Oidc>> {
  const standin = await startOidc({ clients: [registered], users: [grace], ...options })
  onTestFinished(standin.stop)
  standin.control.autoApprove('grace@id.test')
  return { standin, provider: testProvider('oidc', { issuer: standin.issuer }) }
}
