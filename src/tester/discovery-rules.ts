import { error, type Rule, success, type Verdict, warning } from './check.ts'
import {
  documentIn,
  type Heard,
  header,
  isOfType,
  jsonType,
  listed,
  quoted,
  quotedText,
  redirectOf,
  said,
} from './heard.ts'
import { browserOrigin } from './requests.ts'
import type { ServerFacts } from './server-facts.ts'
import { specs } from './specs.ts'

/** Whether a script of another origin may read it. */
export const isShared = (heard: Heard): boolean =>
  ['*', browserOrigin].includes(header(heard, 'access-control-allow-origin') ?? '')

/** Whether a preflight lets a script of another origin go on with this header. */
export function lets(heard: Heard, name: string): boolean {
  if (heard.outcome !== 'answer' || heard.status < 200 || heard.status > 299 || !isShared(heard)) return false
  const allowed = (header(heard, 'access-control-allow-headers') ?? '').toLowerCase().split(/\s*,\s*/)
  return allowed.includes(name) || (allowed.includes('*') && name !== 'authorization')
}

const aDay = 86_400

/** A document that never goes out of date cannot be changed, and one that is never kept is fetched at every start. */
export function cachingOf(heard: Heard): Verdict {
  const policy = header(heard, 'cache-control')?.toLowerCase()
  if (policy === undefined)
    return warning('It has no Cache-Control: caches keep it for as long as they like.')
  const age = Number(/(?:^|[\s,])max-age="?(\d+)/.exec(policy)?.[1])
  if (age > aDay) return warning(`Caches may keep it for more than a day (${quotedText(policy)}).`)
  return success(`Cache-Control is ${quotedText(policy)}.`)
}

/** A form that is no document must be refused in a way that clients go on from. */
function strayForms({ forms }: ServerFacts): Heard[] {
  return forms
    .map(({ heard }) => heard)
    .filter((heard) => !documentIn(heard))
    .filter((heard) => heard.outcome === 'failed' || heard.status < 400 || heard.status >= 500)
}

/** How an issuer's metadata are found. */
export const discoveryRules: readonly Rule<ServerFacts>[] = [
  {
    code: 'metadata_form',
    asks: 'Are the metadata where RFC 8414 has them, between host and path? Some clients look nowhere else.',
    spec: specs.metadata('3.1'),
    judge({ forms, found }) {
      const [first] = forms
      if (!found || !first) return undefined
      return first.url === found.url
        ? success('The metadata are where RFC 8414 has them.')
        : warning(`There is nothing at ${quoted(first.url)}: clients before 2025-11-25 look nowhere else.`)
    },
  },
  {
    code: 'metadata_agree',
    asks: 'Do all the forms there are say the same? Which one a client reads is its own affair.',
    spec: specs.metadata('3.3'),
    judge({ forms, found, misplaced }) {
      if (!found) return undefined
      const documents = [...forms.map(({ heard }) => heard), misplaced]
        .map(documentIn)
        .filter((each) => each !== undefined)
      const members = [
        'issuer',
        'authorization_endpoint',
        'token_endpoint',
        'registration_endpoint',
        'jwks_uri',
      ]
      const different = members.filter((name) => new Set(documents.map((each) => each[name])).size > 1)
      return different.length === 0
        ? success(
            documents.length === 1 ? 'There is one document.' : `All ${documents.length} documents agree.`,
          )
        : error(`The documents disagree about ${listed(different)}.`)
    },
  },
  {
    code: 'openid_members',
    asks: 'Has what is found by OpenID Connect Discovery the members that SDKs demand of it?',
    spec: specs.discovery('ProviderMetadata'),
    judge({ forms, found }) {
      const openId = forms.find(({ url, heard }) => url.includes('openid-configuration') && documentIn(heard))
      const document = openId && documentIn(openId.heard)
      if (!openId || !document) return undefined
      const wanted = ['jwks_uri', 'subject_types_supported', 'id_token_signing_alg_values_supported']
      const missing = wanted.filter((name) => document[name] === undefined)
      if (missing.length === 0) return success('It has the members OpenID Connect asks for.')
      const message = `${quoted(openId.url)} lacks ${listed(missing)}, and clients refuse it; answer 404 there, or add them.`
      return openId.url === found?.url ? error(message) : warning(message)
    },
  },
  {
    code: 'metadata_type',
    asks: 'Are the metadata sent as application/json?',
    spec: specs.metadata('3.2'),
    judge: ({ found }) =>
      found &&
      (isOfType(found.heard, jsonType)
        ? success('The metadata are sent as JSON.')
        : error(`The metadata are sent as ${quotedText(header(found.heard, 'content-type') ?? 'nothing')}.`)),
  },
  {
    code: 'no_redirects',
    asks: 'Is nothing redirected that clients fetch? They follow no redirect to another origin, and some none.',
    spec: specs.metadata('3'),
    judge(facts) {
      const asked = [...facts.forms.map(({ heard }) => heard), facts.jwks, facts.token, facts.registration]
      const answers = asked.filter((heard) => heard?.outcome === 'answer')
      const first = answers.find(redirectOf)
      if (answers.length === 0) return undefined
      return first
        ? error(`${quoted(first.url)}: ${said(first)}. It must answer itself.`)
        : success('Nothing that clients fetch is redirected.')
    },
  },
  {
    code: 'missing_forms',
    asks: 'Is a form that is not served refused with 4xx? Clients stop at a 5xx, and stumble over a page.',
    spec: specs.mcp('authorization-server-metadata-discovery'),
    judge(facts) {
      const [stray] = strayForms(facts).filter((heard) => !redirectOf(heard))
      if (!facts.found && stray?.outcome === 'failed') return undefined
      return stray
        ? error(`${quoted(stray.url)}: ${said(stray)}, and neither metadata nor 404.`)
        : success('Whatever form is not served is refused with 4xx.')
    },
  },
  {
    code: 'unknown_path',
    asks: 'Is a well-known path that nobody knows 404, in JSON?',
    spec: specs.http('15.5.5'),
    judge({ unknownPath: heard }) {
      if (heard.outcome === 'failed') return undefined
      if (heard.status < 400 || heard.status > 499) {
        return error(
          `For a well-known path that cannot exist ${said(heard)}: clients take it for a document.`,
        )
      }
      return heard.status === 404 && isOfType(heard, jsonType)
        ? success('An unknown well-known path is 404, in JSON.')
        : warning(`For a well-known path that cannot exist ${said(heard)}, and not 404 in JSON.`)
    },
  },
  {
    code: 'metadata_caching',
    asks: 'Is it said how long the metadata may be kept, and is that a day at most?',
    spec: specs.http('8.8.3'),
    judge: ({ found }) => found && cachingOf(found.heard),
  },
  {
    code: 'metadata_cors',
    asks: 'May clients in browsers read the metadata?',
    spec: specs.bestPractice('2.6'),
    judge: ({ found }) =>
      found &&
      (isShared(found.heard)
        ? success('Scripts of any origin may read the metadata.')
        : warning('Access-Control-Allow-Origin is not *: clients in browsers cannot read the metadata.')),
  },
  {
    code: 'metadata_preflight',
    asks: 'Does a preflight let MCP-Protocol-Version through, which SDKs send along?',
    spec: specs.bestPractice('2.6'),
    judge: ({ metadataPreflight: heard }) =>
      heard &&
      (lets(heard, 'mcp-protocol-version')
        ? success('A preflight lets MCP-Protocol-Version through.')
        : warning(
            'No preflight lets MCP-Protocol-Version through: SDKs in browsers have to ask twice, or fail.',
          )),
  },
]
