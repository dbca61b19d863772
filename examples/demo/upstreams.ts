import { startAtlassian } from '../../standins/atlassian.ts'
import { startGithub } from '../../standins/github.ts'
import { startGoogle } from '../../standins/google.ts'

export type Upstreams = Awaited<ReturnType<typeof startUpstreams>>

/** What Coatcheck is registered as at all three, as an administrator would do it by hand. */
export const registration = { clientId: 'coatcheck-demo', clientSecret: 'known-to-the-demo-alone' }

/** What the MCP server wants there. */
export const upstreamScopes = {
  github: ['repo'],
  google: ['https://www.googleapis.com/auth/calendar.readonly'],
  atlassian: ['read:jira-work'],
}

const ada = { name: 'Ada Lovelace', email: 'ada@engine.example' }
const grace = { name: 'Grace Hopper', email: 'grace@navy.example' }

export type UpstreamPorts = Record<'github' | 'githubApi' | 'google' | 'atlassian' | 'atlassianApi', number>

/** Stand-ins for GitHub, Google and Atlassian, with two people who have accounts at all of them. */
export async function startUpstreams(issuer: string, ports: UpstreamPorts) {
  const callback = (provider: string) => `${issuer}/oauth/callback/${provider}`
  const github = await startGithub({
    port: ports.github,
    apiPort: ports.githubApi,
    clients: [{ ...registration, redirectUris: [callback('github')] }],
    users: [
      {
        id: 1815,
        login: 'ada',
        name: ada.name,
        emails: [{ email: ada.email, primary: true }],
        repositories: [{ name: 'analytical-engine', private: true }, { name: 'notes' }],
      },
      {
        id: 1906,
        login: 'grace',
        name: grace.name,
        emails: [{ email: grace.email, primary: true }],
        repositories: [{ name: 'flow-matic' }],
      },
    ],
  })
  // Nobody who plays with a demo shall meet GitHub's limit of ten sign-ins an hour.
  github.control.set({ tokensPerHour: 1000 })
  const google = await startGoogle({
    port: ports.google,
    clients: [{ ...registration, redirectUris: [callback('google')] }],
    users: [
      {
        sub: '1815',
        ...ada,
        events: [
          { summary: 'Tea with Mr Babbage', start: '2026-10-13T16:00:00Z', end: '2026-10-13T17:00:00Z' },
          { summary: 'Finish note G', start: '2026-10-14T10:00:00Z', end: '2026-10-14T12:00:00Z' },
        ],
      },
      {
        sub: '1906',
        ...grace,
        events: [{ summary: 'Find the moth', start: '2026-09-09T15:45:00Z', end: '2026-09-09T16:00:00Z' }],
      },
    ],
  })
  const atlassian = await startAtlassian({
    port: ports.atlassian,
    apiPort: ports.atlassianApi,
    clients: [
      {
        ...registration,
        redirectUri: callback('atlassian'),
        scopes: ['read:me', ...upstreamScopes.atlassian],
      },
    ],
    sites: [{ id: 'engine', name: 'engine' }],
    users: [
      { accountId: '1815', ...ada, sites: ['engine'] },
      { accountId: '1906', ...grace, sites: ['engine'] },
    ],
  })
  return {
    github,
    google,
    atlassian,
    /** What people do in their settings at GitHub: take back what they allowed Coatcheck. */
    revokeAtGithub(): void {
      for (const user of ['ada', 'grace']) github.control.revoke({ user, clientId: registration.clientId })
    },
    async stop(): Promise<void> {
      await Promise.all([github.stop(), google.stop(), atlassian.stop()])
    },
  }
}
