import { z } from 'zod'
import type { Resource } from '../../storage/resources.ts'
import { clockTolerance } from '../../upstream/client.ts'
import { grantedTooMuch } from '../../upstream/connection-record.ts'
import type { Examination, Unanswered } from '../../upstream/examine.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { DescriptorFault } from '../../upstream/resolve-descriptor.ts'

export const findingSchema = z
  .strictObject({
    pointer: z.string().optional().describe('Into the provider as it is put (RFC 6901)'),
    code: z.string(),
    message: z.string().describe('What is wrong'),
    advice: z.string().describe('What to do'),
  })
  .meta({ id: 'Finding' })

export type Finding = z.output<typeof findingSchema>

type Resources = readonly Pick<Resource, 'id' | 'document'>[]

/** Of a provider that does not even resolve. */
export function brokenFindings(id: string, faults: readonly DescriptorFault[]): Finding[] {
  const advice = `Save it again as this version takes it: coatcheck provider set ${id}`
  return faults.map((fault) => ({ code: 'broken', ...fault, advice }))
}

/** What keeps people from going through a provider, and what might. */
export function examinationFindings(provider: Provider, found: Examination, resources: Resources) {
  const skewed = skewFindings(found)
  // What an ID token says of time is compared with our clock; of a plain token only its lifetime counts.
  const isTimed = provider.descriptor.kind === 'oidc'
  return {
    problems: [...found.failures.map(failureFinding), ...(isTimed ? skewed : [])],
    warnings: [
      ...(isTimed ? [] : skewed),
      ...settingFindings(provider),
      ...scopeFindings(provider, found, resources),
    ],
  }
}

function failureFinding({ part, address, failure: { code } }: Unanswered): Finding {
  const [message, advice] = inWords(part, code)
  return { pointer: `/descriptor/server/${part}`, code, message: `${address} ${message}`, advice }
}

function inWords(part: Unanswered['part'], code: string): readonly [message: string, advice: string] {
  const status = /^status_(\d{3})$/.exec(code)?.[1]
  if (status) return [`answers with status ${status}`, 'Wait until it is well again, or ask whoever runs it.']
  return words[code] ?? [`is not what it should be (${code})`, `Look what answers there as ${part}.`]
}

const words: Readonly<Record<string, readonly [string, string]>> = {
  refused_url: [
    'is no address this gateway talks to: https is needed',
    'Give the provider an https address.',
  ],
  refused_address: [
    'leads to an address this gateway does not talk to',
    'Look what its name resolves to here. Private addresses are for hosts which the provider’s descriptor or variables name.',
  ],
  deadline: [
    'did not answer in time',
    'See whether a firewall drops what goes there; if it is only slow, raise limits.discovery_deadline.',
  ],
  unreachable: [
    'cannot be reached: the name, the connection or its certificate fails',
    'Try it with curl -v on the gateway’s machine, which says which of them it is.',
  ],
  too_large: ['answers with more than such a document may have', 'Look what answers there.'],
  encoded: [
    'answers compressed, though that was not asked for',
    'Have it, or the proxy before it, heed Accept-Encoding.',
  ],
  malformed: ['answers with something that is not HTTP', 'Look what answers there.'],
  metadata_invalid: [
    'has no metadata document there, or one of another issuer or without the endpoints needed',
    'Compare its issuer with this one, to the byte; if it publishes none, write its endpoints into the descriptor.',
  ],
  keys_invalid: [
    'has no keys to verify ID tokens with (RFC 7517)',
    'Look what answers there: without keys nobody can sign in.',
  ],
}

function skewFindings({ skew = 0 }: Examination): Finding[] {
  if (Math.abs(skew) <= clockTolerance) return []
  const direction = skew > 0 ? 'ahead of' : 'behind'
  return [
    {
      code: 'clock_skew',
      message: `its clock is ${Math.abs(skew)} s ${direction} this gateway’s`,
      advice:
        'Keep the clock of the gateway’s machine right by NTP. If that one is right, tell whoever runs the provider.',
    },
  ]
}

function settingFindings({ descriptor, clientSecret, enabled, scopes = [] }: Provider): Finding[] {
  const findings: Finding[] = []
  if (!enabled) {
    findings.push({
      pointer: '/enabled',
      code: 'disabled',
      message: 'nobody can use it while disabled',
      advice: 'Save it enabled when it is to be used.',
    })
  }
  if (clientSecret === undefined) {
    findings.push({
      pointer: '/client_secret',
      code: 'no_client_secret',
      message: 'without a secret the gateway is a public client there, which many providers refuse',
      advice: 'Save it with the secret the provider gave, if it gave one.',
    })
  }
  scopes.forEach((scope, index) => {
    if (Object.hasOwn(descriptor.scopes.catalog, scope)) return
    findings.push({
      pointer: `/scopes/${index}`,
      code: 'scope_without_words',
      message: `the descriptor has no words for ${scope}: people will read the bare scope`,
      advice: 'Write a sentence for it into scopes.catalog of the descriptor.',
    })
  })
  return findings
}

function scopeFindings(provider: Provider, { scopesOffered }: Examination, resources: Resources): Finding[] {
  const { scopes: allowed, descriptor } = provider
  const asked = asksOf(provider, resources)
  const requested = allowed ?? [...asked.keys()]
  const unoffered = requested.filter((scope) => scopesOffered && !isOffered(descriptor, scope, scopesOffered))
  const withheld = [...asked].filter(([scope]) => allowed?.includes(scope) === false)
  return [
    ...unoffered.map((scope): Finding => {
      const by = asked.get(scope)
      return {
        ...(allowed && { pointer: `/scopes/${allowed.indexOf(scope)}` }),
        code: 'scope_not_offered',
        message: `${scope} is not among the scopes it says it offers${by ? `; asked for by ${by}` : ''}`,
        advice:
          'Compare it with the provider’s documentation: asking for an unknown one fails. Providers need not list all of theirs; then nothing is to be done.',
      }
    }),
    ...withheld.map(
      ([scope, by]): Finding => ({
        pointer: '/scopes',
        code: 'scope_not_allowed',
        message: `${scope} is not among this provider’s scopes, so it is never granted; asked for by ${by}`,
        advice: 'Add it to the provider’s scopes, or have the MCP server not ask for it.',
      }),
    ),
  ]
}

/** What a connection proves of a provider that does not keep to what it is asked for. */
export function tooMuchFinding({ scopes }: { scopes: readonly string[] }): Finding {
  return {
    code: grantedTooMuch,
    message: `it granted more than it was asked for: somebody connected, and it gave ${scopes.join(' ')}`,
    advice:
      'An MCP server gets nothing of a connection that holds more than it may have. Allow the MCP server the rest, and it is served at once; or have the provider grant no more than it is asked for, and delete the connections that hold more.',
  }
}

/** What MCP servers ask of a provider, and which do. */
function asksOf({ id }: Provider, resources: Resources): Map<string, string> {
  const asking = resources.flatMap((resource) =>
    resource.document.providers
      .filter(({ provider }) => provider === id)
      .flatMap(({ scopes }) => scopes.map((scope) => ({ scope, by: resource.id }))),
  )
  const byScope = Map.groupBy(asking, ({ scope }) => scope)
  return new Map([...byScope].map(([scope, all]) => [scope, all.map(({ by }) => by).join(', ')]))
}

/** By its own name or another spelling that its descriptor knows for it. */
function isOffered({ scopes }: Provider['descriptor'], scope: string, offered: readonly string[]): boolean {
  return offered.some(
    (each) => each === scope || (Object.hasOwn(scopes.aliases, each) && scopes.aliases[each] === scope),
  )
}
