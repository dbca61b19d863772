import type { z } from 'zod'
import type { Clock } from '../../src/lib/clock.ts'
import { startAtlassian } from '../../standins/atlassian.ts'
import { startGithub } from '../../standins/github.ts'
import { startGoogle } from '../../standins/google.ts'
import type { faultSchema } from '../../standins/kit/faults.ts'
import type { LogEntry } from '../../standins/kit/log.ts'
import { startOidc } from '../../standins/oidc.ts'
import type { Standin } from '../../standins/standin.ts'

/** What a gateway needs to know of an upstream, and what a test wants to do to it. */
export type TestUpstream = {
  /** The body of `PUT /admin/v1/providers/{id}`. */
  definition: Record<string, unknown>
  /** A scope a resource may want there. */
  scope: string
  /** The route of its token endpoint, as its log names it. */
  tokenRoute: string
  /** Signs a person in at the provider in everybody's browser, who approves everything. */
  approveAs(person: 'ada' | 'bob'): void
  deny(): void
  /** Whether an access token is good there, and whose it is. */
  whoseToken(accessToken: string): Promise<string | undefined>
  /** What the provider's people are called on our pages. */
  labels: Record<'ada' | 'bob', string>
  calls(route: string): LogEntry[]
  /** Scripts what happens to coming requests. */
  script(fault: FaultInput): void
  issued(): string[]
  advance(seconds: number): void
  stop(): Promise<void>
}

export type FaultInput = z.input<typeof faultSchema>

export type UpstreamKind = 'github' | 'google' | 'atlassian' | 'oidc'

const client = { clientId: 'coatcheck-at-upstream', clientSecret: 'upstream-secret-canary-1f6e' }

/** A strict stand-in with two people, at which the gateway is registered. */
export async function startUpstream(
  kind: UpstreamKind,
  { issuer, clock, id = kind }: { issuer: string; clock: Clock; id?: string },
): Promise<TestUpstream> {
  const redirectUri = `${issuer}/oauth/callback/${id}`
  const registered = { client_id: client.clientId, client_secret: client.clientSecret, admit: 'anyone' }
  switch (kind) {
    case 'github': {
      const standin = await startGithub({
        clock,
        clients: [{ ...client, redirectUris: [redirectUri], expiringTokens: true }],
        users: [
          { id: 1815, login: 'ada', name: 'Ada', emails: [{ email: 'ada@one.test', primary: true }] },
          { id: 1816, login: 'bob', name: 'Bob', emails: [{ email: 'bob@one.test', primary: true }] },
        ],
      })
      return {
        ...common(standin),
        definition: {
          ...registered,
          descriptor: 'github',
          variables: { web: standin.web, api: standin.api },
        },
        scope: 'repo',
        tokenRoute: 'POST /login/oauth/access_token',
        approveAs: (person) => standin.control.autoApprove(person),
        whoseToken: async (token) => await nameAt(`${standin.api}/user`, token, (user) => String(user.login)),
        labels: { ada: 'ada', bob: 'bob' },
      }
    }
    case 'google': {
      const standin = await startGoogle({
        clock,
        clients: [{ ...client, redirectUris: [redirectUri] }],
        users: [
          { sub: '1042', email: 'ada@gmail.test', name: 'Ada' },
          { sub: '1043', email: 'bob@gmail.test', name: 'Bob' },
        ],
      })
      return {
        ...common(standin),
        definition: { ...registered, descriptor: 'google', variables: { issuer: standin.issuer } },
        scope: 'https://www.googleapis.com/auth/calendar.readonly',
        tokenRoute: 'POST /token',
        approveAs: (person) => standin.control.autoApprove(`${person}@gmail.test`),
        whoseToken: async (token) =>
          await nameAt(`${standin.issuer}/v1/userinfo`, token, (user) => String(user.email)),
        labels: { ada: 'ada@gmail.test', bob: 'bob@gmail.test' },
      }
    }
    case 'atlassian': {
      const standin = await startAtlassian({
        clock,
        clients: [{ ...client, redirectUri, scopes: ['read:me', 'read:jira-work', 'write:jira-work'] }],
        sites: [{ id: 'site', name: 'Acme' }],
        users: [
          { accountId: '5b10:ada', email: 'ada@acme.test', name: 'Ada', sites: ['site'] },
          { accountId: '5b10:bob', email: 'bob@acme.test', name: 'Bob', sites: ['site'] },
        ],
      })
      return {
        ...common(standin),
        definition: {
          ...registered,
          descriptor: 'atlassian',
          variables: { auth: standin.auth, api: standin.api },
        },
        scope: 'read:jira-work',
        tokenRoute: 'POST /oauth/token',
        approveAs: (person) => standin.control.autoApprove(`${person}@acme.test`),
        whoseToken: async (token) => await nameAt(`${standin.api}/me`, token, (user) => String(user.email)),
        labels: { ada: 'ada@acme.test', bob: 'bob@acme.test' },
      }
    }
    case 'oidc': {
      const standin = await startOidc({
        clock,
        clients: [{ ...client, redirectUris: [redirectUri] }],
        users: [
          {
            sub: 'u-ada',
            name: 'Ada',
            email: 'ada@id.test',
            groups: ['staff', 'on-call'],
            strengths: ['mfa'],
          },
          { sub: 'u-bob', name: 'Bob', email: 'bob@id.test' },
        ],
      })
      return {
        ...common(standin),
        definition: { ...registered, descriptor: 'oidc', variables: { issuer: standin.issuer } },
        scope: 'email',
        tokenRoute: 'POST /token',
        approveAs: (person) => standin.control.autoApprove(`${person}@id.test`),
        whoseToken: async (token) => await nameAt(`${standin.issuer}/me`, token, (user) => String(user.sub)),
        labels: { ada: 'ada@id.test', bob: 'bob@id.test' },
      }
    }
  }
}

type AnyStandin = Pick<Standin, 'calls' | 'stop'> & {
  control: {
    deny(): void
    advance(seconds: number): void
    issued(): { value: string }[]
    script(fault: FaultInput): void
  }
}

function common({ control, calls, stop }: AnyStandin) {
  return {
    deny: () => control.deny(),
    advance: (seconds: number) => control.advance(seconds),
    issued: () => control.issued().map(({ value }) => value),
    script: (fault: FaultInput) => control.script(fault),
    calls,
    stop,
  }
}

async function nameAt(
  url: string,
  token: string,
  read: (answer: Record<string, unknown>) => string,
): Promise<string | undefined> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'test' } })
  return response.ok ? read((await response.json()) as Record<string, unknown>) : undefined
}
