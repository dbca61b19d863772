/** What each scope already contains; GitHub drops the contained ones from an answer. */
const contained: Record<string, string[]> = {
  repo: ['public_repo', 'repo:status', 'repo_deployment', 'repo:invite', 'security_events'],
  user: ['read:user', 'user:email', 'user:follow'],
  project: ['read:project'],
  'admin:org': ['write:org', 'read:org'],
  'write:org': ['read:org'],
  'admin:public_key': ['write:public_key', 'read:public_key'],
  'write:public_key': ['read:public_key'],
  'admin:repo_hook': ['write:repo_hook', 'read:repo_hook'],
  'write:repo_hook': ['read:repo_hook'],
  'write:packages': ['read:packages'],
}

const alone = [
  'gist',
  'notifications',
  'workflow',
  'delete_repo',
  'delete:packages',
  'admin:org_hook',
  'codespace',
]

const known = new Set([...Object.keys(contained), ...Object.values(contained).flat(), ...alone])

const namesIn = (parameter: string | undefined) => (parameter ?? '').split(/[ ,]+/)

/** The scopes of a request; unknown names are dropped without a word, and so is `offline_access`. */
export function readScopes(parameter: string | undefined): string[] {
  return normalised(namesIn(parameter).filter((scope) => known.has(scope)))
}

/** `offline_access` is no scope of the token: it asks for one that expires and can be refreshed. */
export function wantsOffline(parameter: string | undefined): boolean {
  return namesIn(parameter).includes('offline_access')
}

/** Without repetitions, and without what another scope of the list contains. */
export function normalised(scopes: string[]): string[] {
  const implied = new Set(scopes.flatMap((scope) => contained[scope] ?? []))
  return [...new Set(scopes)].filter((scope) => !implied.has(scope))
}

/** Whether a token with these scopes may do what one of the wanted scopes allows. */
export function allows(scopes: string[], ...wanted: string[]): boolean {
  return scopes.some(
    (scope) => wanted.includes(scope) || (contained[scope] ?? []).some((inner) => wanted.includes(inner)),
  )
}
