import { sameResource } from '@coatcheck/mcp'
import { error, type Rule, success, type Verdict, warning } from './check.ts'
import { cachingOf, isShared } from './discovery-rules.ts'
import {
  documentIn,
  isOfType,
  type Json,
  jsonOf,
  jsonType,
  listed,
  quoted,
  redirectOf,
  said,
  strings,
} from './heard.ts'
import { urlFault } from './metadata-rules.ts'
import { issuersOf, parameterOf, type ResourceFacts } from './resource-facts.ts'
import { specs } from './specs.ts'

const ofDocument =
  (judge: (document: Json, facts: ResourceFacts) => Verdict | undefined) =>
  (facts: ResourceFacts): Verdict | undefined =>
    facts.document && judge(facts.document, facts)

/** The place whose document counts. */
const foundPlace = ({ places }: ResourceFacts) => places.find(({ heard }) => documentIn(heard))

/** Whether one URL lies at or below another of the same origin, as official SDKs have it. */
function isBelow(url: string, parent: string): boolean {
  if (!URL.canParse(parent)) return false
  const [below, above] = [new URL(url), new URL(parent)]
  const path = above.pathname.replace(/\/?$/, '/')
  return below.origin === above.origin && `${below.pathname}/`.startsWith(path)
}

/** The metadata of a protected resource. */
export const resourceRules: readonly Rule<ResourceFacts>[] = [
  {
    code: 'resource_metadata',
    asks: 'Are there metadata where clients look: where the challenge says, below the well-known path, at its root?',
    spec: specs.protectedResource('3.1'),
    judge(facts) {
      const { places, document } = facts
      if (!document) return error(`There are no metadata at any of ${listed(places.map(({ url }) => url))}.`)
      const missing = places.filter(({ heard }) => !documentIn(heard))
      const [first] = missing
      if (!first) return success('There are metadata wherever clients look.')
      const message = `There are no metadata at ${listed(missing.map(({ url }) => url))}, where some clients look.`
      return first.place === 'header' ? error(message) : warning(message)
    },
  },
  {
    code: 'resource_metadata_agree',
    asks: 'Do all places say the same?',
    spec: specs.protectedResource('3.3'),
    judge({ places, document }) {
      if (!document) return undefined
      const all = places.map(({ heard }) => documentIn(heard)).filter((each) => each !== undefined)
      const different = ['resource', 'authorization_servers'].filter(
        (name) => new Set(all.map((each) => jsonOf(each[name]))).size > 1,
      )
      return different.length === 0
        ? success('All places say the same.')
        : error(`The documents disagree about ${listed(different)}.`)
    },
  },
  {
    code: 'resource_metadata_type',
    asks: 'Are they sent as application/json, and is no member null?',
    spec: specs.protectedResource('3.2'),
    judge(facts) {
      const place = foundPlace(facts)
      if (!place || !facts.document) return undefined
      if (!isOfType(place.heard, jsonType)) return error(`The metadata: ${said(place.heard)}, and not JSON.`)
      const nulls = Object.entries(facts.document).filter(([, value]) => value === null)
      return nulls.length > 0
        ? error(`Null, and better left out: ${listed(nulls.map(([name]) => name))}.`)
        : success('The metadata are sent as JSON, and no member is null.')
    },
  },
  {
    code: 'resource_no_redirects',
    asks: 'Is nothing redirected that clients fetch?',
    spec: specs.protectedResource('3.2'),
    judge({ places, bare }) {
      const redirected = [...places.map(({ heard }) => heard), bare].find((heard) => redirectOf(heard))
      return redirected
        ? error(`${quoted(redirected.url)}: ${said(redirected)}. It must answer itself.`)
        : success('Nothing that clients fetch is redirected.')
    },
  },
  {
    code: 'resource',
    asks: 'Is resource the URL that clients use? They refuse tokens for anything else.',
    spec: specs.protectedResource('3.3'),
    judge: ofDocument(({ resource }, { url }) => {
      if (typeof resource !== 'string') return error('There is no resource.')
      if (sameResource(resource, url)) return success(`resource is ${quoted(resource)}.`)
      return isBelow(url, resource)
        ? warning(`resource is ${quoted(resource)}, above the URL that was tested: some clients refuse that.`)
        : error(`resource is ${quoted(resource)}, and not ${quoted(url)}.`)
    }),
  },
  {
    code: 'authorization_servers',
    asks: 'Is at least one authorization server named, each by an https URL?',
    spec: specs.protectedResource('2'),
    judge: ofDocument((document, { url }) => {
      const named: unknown[] = Array.isArray(document.authorization_servers)
        ? document.authorization_servers
        : []
      if (named.length === 0) return error('authorization_servers names none.')
      const faults = named.filter((each) => urlFault(each, url) !== undefined)
      return faults.length > 0
        ? error(`authorization_servers names what is no https URL: ${listed(faults)}.`)
        : success(`Named: ${listed(issuersOf(document))}.`)
    }),
  },
  {
    code: 'offline_access',
    asks: 'Is offline_access left to the client to ask for?',
    spec: specs.mcp('scope-selection-strategy'),
    judge({ challenge, document }) {
      const scopes = [
        ...strings(document?.scopes_supported),
        ...(parameterOf(challenge, 'scope') ?? '').split(' '),
      ]
      return scopes.includes('offline_access')
        ? warning('The challenge or scopes_supported has offline_access, which is no scope of an MCP server.')
        : success('offline_access is left to the client.')
    },
  },
  {
    code: 'bearer_methods',
    asks: 'Are tokens taken from the header alone, as far as it says?',
    spec: specs.protectedResource('2'),
    judge: ofDocument(({ bearer_methods_supported: methods }) => {
      if (methods === undefined) return undefined
      const others = strings(methods).filter((method) => method !== 'header')
      return others.length > 0
        ? warning(`bearer_methods_supported has ${listed(others)}: MCP wants the header alone.`)
        : success('Tokens are taken from the header alone.')
    }),
  },
  {
    code: 'resource_cors',
    asks: 'May clients in browsers read the metadata?',
    spec: specs.protectedResource('3.1'),
    judge(facts) {
      const place = foundPlace(facts)
      if (!place) return undefined
      return isShared(place.heard)
        ? success('Scripts of any origin may read the metadata.')
        : warning('Access-Control-Allow-Origin is not *: clients in browsers cannot read the metadata.')
    },
  },
  {
    code: 'resource_caching',
    asks: 'Is it said how long they may be kept, and is that a day at most?',
    spec: specs.http('8.8.3'),
    judge(facts) {
      const place = foundPlace(facts)
      return place && cachingOf(place.heard)
    },
  },
]
