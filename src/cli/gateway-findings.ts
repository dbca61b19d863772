import { limitsSchema } from '../config/settings.ts'
import type { DiagnosisView } from '../endpoints/admin/diagnosis.ts'
import { about, type Finding } from './finding.ts'

/** The share of a limit from which on it is nearly used up. */
const nearly = 0.8

export function masterKeyFindings({ master_keys: keys }: Pick<DiagnosisView, 'master_keys'>): Finding[] {
  const { ok, wrong, note } = about('master keys')
  const inWords = (id: string) => ({
    sealing: () => ok(`${id} seals, and is the one this database knows`),
    opening: () => ok(`${id} opens what was sealed before`),
    wrong: () =>
      wrong(
        `${id} is not the key this database was sealed with`,
        'Put the right key into COATCHECK_MASTER_KEYS; nothing sealed opens without it.',
      ),
    missing: () =>
      note(
        `${id} was used here and is not configured: what is still sealed under it does not open`,
        'Add it behind the first in COATCHECK_MASTER_KEYS; or, where it wraps nothing, coatcheck keys retire lets go of it.',
      ),
  })
  return keys.map(({ id, state }) => inWords(id)[state]())
}

export function administratorFindings({ administrators: { token, read, write } }: DiagnosisView): Finding[] {
  const { ok, wrong, note } = about('administrators')
  const named = `by name ${write} who may write, ${read} who may read`
  if (token) return [ok(`the token; ${named}`)]
  const advice =
    'Set COATCHECK_ADMIN_TOKEN to 32 characters or more (openssl rand -base64 32), and start again.'
  return [
    write === 0
      ? wrong('there is no token, and nobody by name may write: nothing can be changed', advice)
      : note(`there is no token for when passwords are lost; ${named}`, advice),
  ]
}

/** Whether the limits for one address mean one person's, seen by how requests arrive. */
export function proxyFindings({ forwarding }: Pick<DiagnosisView, 'forwarding'>, issuer: string): Finding[] {
  const { ok, wrong, note } = about('proxies')
  const { trusted_proxies: trusted, believed, disbelieved, direct, last_disbelieved: peer } = forwarding
  const isPublic = issuer.startsWith('https:')
  const name = 'Name it in COATCHECK_TRUSTED_PROXIES, by address or network, and have it set X-Forwarded-For.'
  if (believed === 0 && disbelieved > 0) {
    const message = `the proxy at ${peer} is not trusted, so everybody is one address and shares each limit of one`
    return [(isPublic ? wrong : note)(message, name)]
  }
  if (isPublic && trusted.length === 0) {
    return [
      wrong(
        'the proxy that speaks https for this gateway is not trusted, so everybody is one address and shares each limit of one',
        name,
      ),
    ]
  }
  if (disbelieved > 0) {
    const message = `${disbelieved} requests named another address from ${peer}, which is not trusted`
    return [
      note(
        message,
        'If that is a proxy of yours, add it to COATCHECK_TRUSTED_PROXIES; else let nobody reach the gateway past the proxy.',
      ),
    ]
  }
  if (isPublic && believed === 0) {
    const message = `none of ${direct} requests said where it came from (X-Forwarded-For)`
    return [note(message, 'Have the proxy set it, or everybody is one address and shares each limit of one.')]
  }
  return [
    ok(
      isPublic
        ? `trusted: ${trusted.join(', ')}; ${believed} requests said where they came from`
        : 'none; people come from this machine',
    ),
  ]
}

export function limitFindings({ limits, usage }: Pick<DiagnosisView, 'limits' | 'usage'>): Finding[] {
  const { ok, wrong, note } = about('limits')
  const defaults: Readonly<Record<string, number>> = limitsSchema.parse({})
  const changed = Object.entries(limits).filter(([name, value]) => defaults[name] !== value)
  const own =
    changed.length === 0 ? 'as they come' : changed.map(([name, value]) => `${name} ${value}`).join(', ')
  const taken = usage
    .filter(({ used }) => used > 0)
    .map(({ limit, used, most }) => `${limit} ${used} of ${most}`)
  return [
    ok(`${own}; taken just now: ${taken.join(', ') || 'nothing'}`),
    ...usage
      .filter(({ used, most }) => used >= nearly * most)
      .map(({ limit, used, most }) =>
        used >= most
          ? wrong(
              `${limit} is used up (${most}): whoever comes next has to wait`,
              `See in the log who comes so often; if they are welcome, raise limits.${limit}.`,
            )
          : note(
              `${limit} is nearly used up: ${used} of ${most}`,
              `See in the log who comes so often; if they are welcome, raise limits.${limit}.`,
            ),
      ),
  ]
}

/** Of whom a provider will want to hear again, whatever anybody does. */
export function connectionFindings({
  connections_ending: ending,
}: Pick<DiagnosisView, 'connections_ending'>): Finding[] {
  const { ok, note } = about('connections')
  if (ending.length === 0) return [ok('none ends within a week, as far as is known')]
  const counts = ending.map(({ provider, count }) => `${count} at ${provider}`).join(', ')
  return [
    note(
      `${counts} will end within a week, whatever is done: these people have to connect again`,
      'coatcheck connection list --ends-within 7d says which, and when.',
    ),
  ]
}
