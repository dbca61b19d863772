const base = 'https://www.googleapis.com/auth/'

/** Asked for by a short name, granted and answered by a URL. */
const aliases: Record<string, string> = { email: `${base}userinfo.email`, profile: `${base}userinfo.profile` }

const apis = [
  'calendar',
  'calendar.readonly',
  'calendar.events',
  'drive.file',
  'drive.readonly',
  'gmail.readonly',
  'gmail.send',
  'documents',
  'spreadsheets',
  'tasks',
]

const signIn = new Set(['openid', ...Object.values(aliases)])
const known = new Set([...signIn, ...apis.map((name) => base + name)])

/** A scope by its short name: `calendar.readonly`. */
export const scopeUrl = (name: string): string => (name === 'openid' ? name : base + name)

/** The scopes of a request as Google writes them in its answers, and those it does not know. */
export function readScopes(parameter: string | undefined): { scopes: string[]; unknown: string[] } {
  const asked = (parameter ?? '').split(' ').filter((scope) => scope !== '')
  const scopes = [...new Set(asked.map((scope) => aliases[scope] ?? scope))]
  return {
    scopes: scopes.filter((scope) => known.has(scope)),
    unknown: scopes.filter((scope) => !known.has(scope)),
  }
}

/** Scopes for signing in cannot be unticked, and alone they never make a refresh token short-lived. */
export const isSignInScope = (scope: string): boolean => signIn.has(scope)
