import type { Html } from '../../src/lib/html.ts'
import { type AccountProps, accountPage } from '../../src/pages/account.ts'
import { accountSignInPage } from '../../src/pages/account-sign-in.ts'
import { choosePage } from '../../src/pages/choose.ts'
import type { ClientShown } from '../../src/pages/client-shown.ts'
import { confirmPage } from '../../src/pages/confirm.ts'
import { type ConnectProps, connectPage } from '../../src/pages/connect.ts'
import { type ConsentProps, consentPage } from '../../src/pages/consent.ts'
import { donePage } from '../../src/pages/done.ts'
import { errorPage } from '../../src/pages/error.ts'
import { errorText, type PageError } from '../../src/pages/error-text.ts'
import { interstitialPage } from '../../src/pages/interstitial.ts'
import { linkPage } from '../../src/pages/link.ts'
import { type PickSiteProps, pickSitePage } from '../../src/pages/pick-site.ts'
import { signInAgainPage } from '../../src/pages/sign-in-again.ts'
import { wrongAccountPage } from '../../src/pages/wrong-account.ts'

const issuerHost = 'auth.example.com'

const program: ClientShown = {
  name: 'Claude Code',
  assured: 'unverified',
  host: 'claude.ai',
  redirect: { kind: 'loopback', host: 'localhost:33418' },
}
const webClient: ClientShown = {
  name: 'Claude',
  assured: 'published at its host',
  host: 'claude.ai',
  redirect: { kind: 'web', host: 'claude.ai' },
}
const registered: ClientShown = {
  name: 'Desk Assistant',
  assured: 'registered by the administrator',
  redirect: { kind: 'web', host: 'assistant.corp.example' },
}
const appClient: ClientShown = {
  name: 'Cursor',
  assured: 'unverified',
  redirect: { kind: 'app', scheme: 'cursor' },
}

const mcpServer = { name: 'Project Desk', uri: 'https://desk.example.com/mcp' }
const form = { action: '/oauth/interactions/int_2f9c', fields: { csrf: 'a1b2', shown: 'c3d4' } }

const consent: ConsentProps = {
  ...form,
  client: program,
  mcpServer,
  scopes: [
    { id: 'repo.read', sentence: 'Read your repositories' },
    { id: 'issues.write', sentence: 'Open and change issues' },
  ],
  providers: [
    {
      id: 'github',
      name: 'GitHub',
      purpose: 'work',
      need: 'required',
      rights: [
        { scope: 'repo', label: 'Read and change everything in your repositories, private ones included' },
        { scope: 'read:org', label: 'Read your organizations and teams' },
      ],
      identityScopes: ['read:user', 'user:email'],
      stayConnected: { scope: 'offline_access' },
    },
    {
      id: 'google',
      name: 'Google',
      purpose: 'work',
      need: 'optional',
      rights: [
        {
          scope: 'https://www.googleapis.com/auth/calendar.events.readonly',
          label: 'Read the events in your calendars',
        },
        { scope: 'https://www.googleapis.com/auth/tasks' },
      ],
      identityScopes: ['openid', 'email', 'profile'],
      stayConnected: {},
      account: 'maria@example.com',
    },
  ],
  person: { state: 'signed in', label: 'maria' },
  issuerHost,
  accountUrl: '/account',
}

const { mcpServer: _, ...signInOnly } = consent
const { name: __, ...nameless } = registered

/** As long as names get in earnest. */
const longServer = {
  name: 'Enterprise Staff Planning and Document Archive Assistant (Europe)',
  uri: 'https://enterprise-staff-planning.production.eu-central-1.internal.corp.example/departments/hr/mcp',
}
const longClient: ClientShown = {
  name: 'The Really Rather Long-Winded Desktop Assistant for Enterprises',
  assured: 'unverified',
  host: 'desktop-assistant.long-winded-software-company.example',
  redirect: {
    kind: 'web',
    host: 'callback.desktop-assistant.long-winded-software-company.example:8443',
  },
}
const longLabel = 'maximiliane.von-der-hohenstaufen-lichtenberg@people-and-culture.corp.example'

const connect: ConnectProps = {
  ...form,
  mcpServer,
  provider: { id: 'google', name: 'Google' },
  reason: 'not connected',
  person: { label: 'maria' },
  rights: [
    {
      scope: 'https://www.googleapis.com/auth/calendar.events.readonly',
      label: 'Read the events in your calendars',
    },
  ],
  identityScopes: ['openid', 'email'],
  stayConnected: {},
  issuerHost,
}

/** The worst a stranger can put into every text we show. */
export const hostile = `"><script>alert(1)</script></title><img src=x onerror='alert(1)'>\u202Eevil\u0000 {{7*7}} javascript:alert(1)`

const hostileClient: ClientShown = {
  name: hostile,
  assured: 'unverified',
  host: hostile,
  redirect: { kind: 'web', host: `accounts.google.com.${'sign-in.'.repeat(24)}evil.example` },
}

const hostileConsent: ConsentProps = {
  action: `/x${hostile}`,
  fields: { [hostile]: hostile },
  client: hostileClient,
  mcpServer: { name: hostile, uri: `https://desk.example.com/${hostile}` },
  scopes: [{ id: hostile, sentence: hostile }],
  providers: [
    {
      id: hostile,
      name: hostile,
      purpose: 'work',
      need: 'optional',
      rights: [{ scope: hostile, label: hostile }, { scope: hostile }],
      identityScopes: [hostile],
      stayConnected: { scope: hostile },
      account: hostile,
    },
  ],
  person: { state: 'signed in', label: hostile },
  issuerHost: hostile,
  accountUrl: hostile,
}

const now = 1_795_262_400

const account: AccountProps = {
  action: '/account',
  fields: { proof: 'a1b2' },
  person: { label: 'maria' },
  access: [
    {
      client: { name: 'Claude Code' },
      mcpServer,
      sinceAt: now - 12 * 86_400,
      lastUsedAt: now - 60,
      fields: { client_id: 'cc_client_1', resource_id: 'desk' },
    },
    {
      client: { name: 'Cursor' },
      mcpServer: { name: 'Team Notes', uri: 'https://notes.example.com/mcp' },
      sinceAt: now - 70 * 86_400,
      lastUsedAt: now - 5 * 3_600,
      fields: { client_id: 'cc_client_2', resource_id: 'notes' },
    },
  ],
  accounts: [
    {
      provider: { name: 'GitHub' },
      label: 'maria',
      fields: { account_id: 'acct_1' },
      connections: [
        {
          state: 'live',
          rights: [
            {
              scope: 'repo',
              label: 'Read and change everything in your repositories, private ones included',
            },
          ],
          identityScopes: ['read:user'],
          stayConnected: { scope: 'offline_access' },
          usedBy: [{ name: 'Project Desk' }],
          lastUsed: { at: now - 60, by: { name: 'Project Desk' } },
          fields: { connection_id: 'con_1' },
        },
      ],
    },
    {
      provider: { name: 'Google' },
      label: 'maria@example.com',
      fields: { account_id: 'acct_2' },
      connections: [
        {
          state: 'ended',
          rights: [
            {
              scope: 'https://www.googleapis.com/auth/calendar.events.readonly',
              label: 'Read the events in your calendars',
            },
          ],
          identityScopes: ['openid'],
          usedBy: [{ name: 'Project Desk' }, { name: 'Team Notes' }],
          lastUsed: { at: now - 40 * 86_400, by: { name: 'Team Notes' } },
          fields: { connection_id: 'con_2' },
        },
      ],
    },
  ],
  identities: [
    {
      provider: { name: 'GitHub' },
      label: 'maria',
      lastSignInAt: now - 3 * 3_600,
      fields: { provider: 'github' },
    },
    {
      provider: { name: 'Google' },
      label: 'maria@example.com',
      lastSignInAt: now - 20 * 86_400,
      fields: { provider: 'google' },
    },
  ],
  linkable: [
    { id: 'atlassian', name: 'Atlassian' },
    { id: 'github', name: 'GitHub' },
  ],
  now,
  issuerHost,
}

const hostileAccount: AccountProps = {
  ...account,
  action: hostile,
  fields: { [hostile]: hostile },
  person: { label: hostile },
  access: [
    {
      client: { name: hostile },
      mcpServer: { name: hostile, uri: `https://desk.example.com/${hostile}` },
      sinceAt: now,
      lastUsedAt: now,
      fields: { [hostile]: hostile },
    },
    { client: {}, sinceAt: now, lastUsedAt: now, fields: {} },
  ],
  accounts: [
    {
      provider: { name: hostile },
      label: hostile,
      fields: { [hostile]: hostile },
      connections: [
        {
          state: 'ended',
          rights: [{ scope: hostile, label: hostile }],
          identityScopes: [hostile],
          usedBy: [
            { name: hostile, site: hostile },
            { name: 'Team Notes', siteIs: 'gone' },
          ],
          lastUsed: { at: now, by: { name: hostile } },
          fields: { [hostile]: hostile },
        },
      ],
    },
  ],
  identities: [
    { provider: { name: hostile }, label: hostile, lastSignInAt: now, fields: { [hostile]: hostile } },
    { provider: { name: 'GitHub' }, label: longLabel, lastSignInAt: now, fields: {} },
  ],
  linkable: [{ id: hostile, name: hostile }],
}

const pickSite: PickSiteProps = {
  ...form,
  provider: { name: 'Atlassian' },
  mcpServer,
  account: 'maria@example.com',
  sites: [
    { id: 'a1', name: 'Acme', url: 'https://acme.atlassian.net' },
    { id: 'u2', name: 'Umbrella Research', url: 'https://umbrella.atlassian.net' },
    { id: 'i3', name: 'Initech', url: 'https://initech.atlassian.net' },
  ],
  leave: 'deny',
  issuerHost,
}

const deed = { ...form, backUrl: '/account', issuerHost }

const errors: readonly PageError[] = [
  { kind: 'bad request' },
  { kind: 'unknown client', registers: 'by itself' },
  { kind: 'unknown client', registers: 'by the administrator' },
  { kind: 'unregistered redirect', host: 'evil.example' },
  { kind: 'client unreachable', host: 'claude.ai' },
  { kind: 'expired' },
  { kind: 'already used' },
  { kind: 'another browser' },
  { kind: 'denied at provider', providerName: 'GitHub' },
  { kind: 'no site', providerName: 'Atlassian' },
  { kind: 'provider trouble', providerName: 'GitHub' },
  { kind: 'provider misconfigured', providerName: 'GitHub' },
  { kind: 'granted too much', providerName: 'GitHub' },
  { kind: 'not admitted', providerName: 'GitHub' },
  { kind: 'account of somebody else', providerName: 'GitHub' },
  { kind: 'account page outdated' },
  { kind: 'not signed in anew', providerName: 'GitHub' },
  { kind: 'nobody can sign in' },
  { kind: 'cross-site' },
  { kind: 'too many requests' },
  { kind: 'not found' },
  { kind: 'unavailable' },
  { kind: 'our fault' },
]

const requestId = 'kT4wq0BzJx9v'

function errorSample(error: PageError): [string, Html] {
  const words = 'registers' in error ? `${error.kind} registers ${error.registers}` : error.kind
  return [`error-${words.replaceAll(' ', '-')}`, errorPage({ ...errorText(error), issuerHost, requestId })]
}

/** A name given twice would hide a page from every test. */
function byName(samples: readonly (readonly [string, Html])[]): ReadonlyMap<string, Html> {
  const found = new Map(samples)
  if (found.size !== samples.length) throw new Error('two samples have the same name')
  return found
}

/** Every page in every form we know of, by name. */
export const pageSamples: ReadonlyMap<string, Html> = byName([
  [
    'choose',
    choosePage({
      ...form,
      client: program,
      mcpServer,
      providers: [
        { id: 'github', name: 'GitHub' },
        { id: 'google', name: 'Google' },
        { id: 'atlassian', name: 'Atlassian' },
      ],
      issuerHost,
    }),
  ],
  [
    'choose-long',
    choosePage({
      ...form,
      client: longClient,
      mcpServer: longServer,
      providers: [{ id: 'long', name: longServer.name }],
      issuerHost: 'sign-in.identity.production.eu-central-1.corp.example',
    }),
  ],
  ['consent', consentPage(consent)],
  ['consent-to-a-call', consentPage({ ...consent, confirms: { tool: 'delete_everything' } })],
  [
    'consent-new-person',
    consentPage({
      ...consent,
      person: { state: 'signs in at', providerName: 'GitHub' },
      providers: consent.providers.slice(0, 1),
    }),
  ],
  [
    'consent-without-scopes',
    consentPage({
      ...consent,
      client: webClient,
      providers: [
        { id: 'forge', name: 'Forge', purpose: 'work', need: 'required', rights: [], identityScopes: [] },
        {
          id: 'id',
          name: 'Identity',
          purpose: 'sign in',
          need: 'required',
          rights: [],
          identityScopes: ['openid'],
        },
      ],
    }),
  ],
  ['consent-app', consentPage({ ...consent, client: appClient, scopes: [], providers: [] })],
  ['consent-registered', consentPage({ ...consent, client: registered })],
  ['consent-to-sign-in', consentPage({ ...signInOnly, client: nameless, scopes: [], providers: [] })],
  [
    'consent-long',
    consentPage({
      ...consent,
      client: longClient,
      mcpServer: longServer,
      scopes: [
        {
          id: 'staff.employees.compensation.history.read_and_export',
          sentence:
            'Read and export the history of what every employee of every department in your country was paid',
        },
      ],
      person: { state: 'signed in', label: longLabel },
    }),
  ],
  ['consent-hostile', consentPage(hostileConsent)],
  ['pick-site', pickSitePage(pickSite)],
  ['pick-site-again', pickSitePage({ ...pickSite, before: 'u2', leave: 'back' })],
  [
    'pick-site-hostile',
    pickSitePage({
      ...pickSite,
      action: hostile,
      fields: { [hostile]: hostile },
      provider: { name: hostile },
      mcpServer: { name: hostile },
      account: hostile,
      sites: [
        { id: hostile, name: hostile, url: `https://desk.example.com/${hostile}` },
        { id: 'long', name: longServer.name, url: longServer.uri },
        { id: 'bare', name: 'bare' },
      ],
      before: hostile,
      issuerHost: hostile,
    }),
  ],
  ['connect', connectPage(connect)],
  ['connect-site-gone', connectPage({ ...connect, reason: 'site gone', account: 'maria@example.com' })],
  [
    'connect-again',
    connectPage({ ...connect, reason: 'needs signing in again', account: 'maria@example.com' }),
  ],
  ['connect-more', connectPage({ ...connect, reason: 'more rights', account: 'maria@example.com' })],
  ['connect-another', connectPage({ ...connect, reason: 'another account' })],
  [
    'connect-hostile',
    connectPage({
      ...connect,
      mcpServer: hostileConsent.mcpServer ?? mcpServer,
      provider: { id: hostile, name: hostile },
      person: { label: hostile },
      account: hostile,
    }),
  ],
  [
    'done',
    donePage({
      outcome: 'connected',
      provider: { name: 'Google' },
      mcpServer,
      account: 'maria@example.com',
      issuerHost,
      accountUrl: '/account',
    }),
  ],
  [
    'done-unchanged',
    donePage({
      outcome: 'unchanged',
      provider: { name: 'Google' },
      mcpServer,
      issuerHost,
      accountUrl: '/account',
    }),
  ],
  [
    'wrong-person',
    wrongAccountPage({
      ...form,
      expectedBy: 'person',
      provider: { name: 'GitHub' },
      expected: 'maria',
      returned: 'maria-at-work',
      issuerHost,
    }),
  ],
  [
    'wrong-account',
    wrongAccountPage({
      ...form,
      expectedBy: 'connection',
      provider: { name: 'Google' },
      expected: 'maria@example.com',
      returned: 'mk@corp.example',
      issuerHost,
    }),
  ],
  [
    'wrong-person-long',
    wrongAccountPage({
      ...form,
      expectedBy: 'person',
      provider: { name: 'Google' },
      expected: longLabel,
      returned: `second-account-of.${longLabel}`,
      issuerHost,
    }),
  ],
  [
    'interstitial',
    interstitialPage({
      client: { assured: 'unverified', redirect: { kind: 'web', host: 'helper.example' } },
      reason: 'The scope calendar.write is not known here',
      continueUrl: 'https://helper.example/callback?error=invalid_scope',
      issuerHost,
    }),
  ],
  [
    'interstitial-without-a-way',
    interstitialPage({ client: appClient, reason: 'No.', continueUrl: 'cursor://callback', issuerHost }),
  ],
  [
    'interstitial-hostile',
    interstitialPage({
      client: hostileClient,
      reason: hostile,
      continueUrl: 'javascript:alert(1)',
      issuerHost,
    }),
  ],
  ['account', accountPage(account)],
  [
    'account-empty',
    accountPage({
      ...account,
      access: [],
      accounts: [],
      identities: account.identities.slice(0, 1),
      linkable: [],
      notice: 'ended-all',
    }),
  ],
  [
    'account-long',
    accountPage({
      ...account,
      person: { label: longLabel },
      access: [
        {
          client: longClient,
          mcpServer: longServer,
          sinceAt: now,
          lastUsedAt: now,
          fields: { client_id: 'x', resource_id: 'y' },
        },
      ],
      accounts: account.accounts.map((each) => ({ ...each, label: longLabel })),
      identities: account.identities.map((each) => ({ ...each, label: longLabel })),
    }),
  ],
  ['account-hostile', accountPage(hostileAccount)],
  [
    'account-sign-in',
    accountSignInPage({
      action: '/account',
      fields: { action: 'sign-in' },
      providers: [
        { id: 'github', name: 'GitHub' },
        { id: 'google', name: 'Google' },
      ],
      signedOut: 'no',
      issuerHost,
    }),
  ],
  [
    'account-signed-out',
    accountSignInPage({
      action: '/account',
      fields: {},
      providers: [{ id: hostile, name: hostile }],
      signedOut: 'just now',
      issuerHost,
    }),
  ],
  ['confirm-end-all', confirmPage({ ...deed, deed: { kind: 'end all' } })],
  ['confirm-sign-out', confirmPage({ ...deed, deed: { kind: 'sign out everywhere' } })],
  [
    'confirm-disconnect',
    confirmPage({
      ...deed,
      deed: { kind: 'disconnect', provider: { name: 'Google' }, label: 'maria@example.com' },
    }),
  ],
  ['confirm-link', confirmPage({ ...deed, deed: { kind: 'link', provider: { name: 'Google' } } })],
  [
    'sign-in-again',
    signInAgainPage({
      ...deed,
      deed: 'unlink',
      providers: [
        { id: 'github', name: 'GitHub' },
        { id: 'google', name: 'Google' },
      ],
    }),
  ],
  [
    'sign-in-again-hostile',
    signInAgainPage({ ...deed, deed: 'link', providers: [{ id: hostile, name: hostile }] }),
  ],
  [
    'confirm-unlink',
    confirmPage({
      ...deed,
      deed: { kind: 'unlink', provider: { name: 'Google' }, label: 'maria@example.com' },
    }),
  ],
  [
    'confirm-hostile',
    confirmPage({
      ...deed,
      action: hostile,
      backUrl: '/account',
      deed: { kind: 'disconnect', provider: { name: hostile }, label: hostile },
    }),
  ],
  [
    'link',
    linkPage({
      ...form,
      provider: { name: 'Google' },
      person: { label: 'maria' },
      found: { label: 'maria@example.com' },
      issuerHost,
    }),
  ],
  [
    'link-hostile',
    linkPage({
      ...form,
      provider: { name: hostile },
      person: { label: hostile },
      found: { label: hostile },
      issuerHost,
    }),
  ],
  ...errors.map(errorSample),
  [
    'error-with-code',
    errorPage({
      ...errorText({ kind: 'bad request' }),
      issuerHost,
      requestId,
      code: 'invalid_request',
      detail: 'The parameter client_id is missing',
    }),
  ],
  [
    'error-hostile',
    errorPage({
      title: hostile,
      message: hostile,
      whatToDo: hostile,
      requestId: hostile,
      code: hostile,
      detail: hostile,
      issuerHost,
    }),
  ],
])
