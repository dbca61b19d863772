import { parseChallenge } from '@coatcheck/mcp'
import { error, type Rule, success, unchecked, type Verdict, warning } from './check.ts'
import { type Heard, header, quoted, quotedText, said } from './heard.ts'
import { urlFault } from './metadata-rules.ts'
import { parameterOf, type ResourceFacts } from './resource-facts.ts'
import { specs } from './specs.ts'

const isBearer = ({ scheme }: { scheme: string }) => scheme.toLowerCase() === 'bearer'

/** Of a challenge that cannot be read, nothing more is said. */
const ofBearer =
  (judge: (parameter: (name: string) => string | undefined, url: string) => Verdict) =>
  ({ challenge, url }: ResourceFacts): Verdict | undefined =>
    challenge?.outcome === 'parsed' && challenge.challenges.some(isBearer)
      ? judge((name) => parameterOf(challenge, name), url)
      : undefined

/** Whether something is refused as it must be, before anything else of it is looked at. */
function refused(heard: Heard, what: string): Verdict {
  if (heard.outcome === 'failed') return error(`${what}: ${heard.reason}.`)
  const { status } = heard
  if (status === 401) return success(`${what} is refused (401).`)
  const isLetIn = status < 300
  return isLetIn || status >= 500
    ? error(`${what}: it answers ${status}, and not 401${isLetIn ? ': it is let in' : ''}.`)
    : warning(`${what}: ${said(heard)}, and not 401. Who has no token should hear nothing else.`)
}

/** A token that must not be let in; clients get another one only for a 401. */
function refusedToken(heard: Heard | undefined, what: string): Verdict | undefined {
  if (!heard) return undefined
  const verdict = refused(heard, what)
  return verdict.kind === 'warning' ? error(verdict.message) : verdict
}

/** The first of its challenges that is not in the grammar, with what it is an answer to. */
function malformedIn({ bare, basic, garbage, inQuery }: ResourceFacts): string | undefined {
  const all = { 'without a token': bare, 'to Basic': basic, 'to a token': garbage, 'to a query': inQuery }
  for (const [to, heard] of Object.entries(all)) {
    const value = header(heard, 'www-authenticate')
    const parsed = value === undefined ? undefined : parseChallenge(value)
    if (value === undefined || parsed?.outcome !== 'malformed') continue
    return `WWW-Authenticate ${to} cannot be read from character ${parsed.at + 1} on: ${quotedText(value)}`
  }
  return undefined
}

/** What who has no good token is told. */
export const challengeRules: readonly Rule<ResourceFacts>[] = [
  {
    code: 'challenge',
    asks: 'Is who has no token answered 401?',
    spec: specs.mcp('token-handling'),
    judge({ bare }) {
      const verdict = refused(bare, 'A request without a token')
      return verdict.kind === 'warning' ? error(verdict.message) : verdict
    },
  },
  {
    code: 'challenge_form',
    asks: 'Is there a Bearer challenge, first, in the grammar of HTTP? Clients read it with less care than they should.',
    spec: specs.http('11.6.1'),
    judge(facts) {
      const { bare, challenge } = facts
      if (bare.outcome === 'failed' || bare.status !== 401) return undefined
      if (!challenge) return error('There is no WWW-Authenticate.')
      const malformed = malformedIn(facts)
      if (malformed !== undefined) return error(`${malformed}.`)
      const challenges = challenge.outcome === 'parsed' ? challenge.challenges : []
      if (!challenges.some(isBearer)) return error('WWW-Authenticate has no Bearer.')
      const [first] = challenges
      return first && isBearer(first)
        ? success('There is a Bearer challenge, in the grammar of HTTP.')
        : warning('Bearer is not the first challenge, and SDKs look no further.')
    },
  },
  {
    code: 'challenge_metadata',
    asks: 'Does the challenge say where the metadata are?',
    spec: specs.protectedResource('5.1'),
    judge: ofBearer((parameter, url) => {
      const named = parameter('resource_metadata')
      if (named === undefined)
        return warning('There is no resource_metadata: clients have to guess where they are.')
      const fault = urlFault(named, url)
      if (fault !== undefined) return error(`resource_metadata ${fault}.`)
      return new URL(named).origin === new URL(url).origin
        ? success('resource_metadata says where the metadata are.')
        : warning(`resource_metadata leads to another origin, ${quoted(new URL(named).origin)}.`)
    }),
  },
  {
    code: 'challenge_scope',
    asks: 'Does the challenge say which scopes to ask for?',
    spec: specs.mcp('scope-selection-strategy'),
    judge: ofBearer((parameter) =>
      parameter('scope') === undefined
        ? warning('There is no scope: clients ask for all there are, or for none.')
        : success('scope says what to ask for.'),
    ),
  },
  {
    code: 'challenge_error',
    asks: 'Is nothing called an error where no token was sent?',
    spec: specs.bearer('3.1'),
    judge: ofBearer((parameter) => {
      const code = parameter('error')
      return code === undefined
        ? success('Nothing is called an error where no token was sent.')
        : warning(`error is ${quoted(code)} though no token was sent: clients throw away tokens they have.`)
    }),
  },
  {
    code: 'every_method',
    asks: 'Are GET and DELETE refused as well, before anything else of them is looked at?',
    spec: specs.mcp('token-requirements'),
    judge({ get, remove }) {
      const verdicts = [refused(get, 'GET without a token'), refused(remove, 'DELETE without a token')]
      const worst =
        verdicts.find(({ kind }) => kind === 'error') ?? verdicts.find(({ kind }) => kind === 'warning')
      return worst ?? success('GET and DELETE without a token are refused (401).')
    },
  },
  {
    code: 'token_before_body',
    asks: 'Is a request without a token refused before its body is read?',
    spec: specs.mcp('error-handling'),
    judge: ({ broken }) => refused(broken, 'A broken body without a token'),
  },
  {
    code: 'other_scheme',
    asks: 'Are credentials of another scheme refused, and no reason to fail?',
    spec: specs.bearer('3.1'),
    judge({ basic }) {
      if (basic.outcome === 'answer' && basic.status === 400)
        return success('Basic credentials are refused (400).')
      return refused(basic, 'Basic credentials')
    },
  },
  {
    code: 'garbage_token',
    asks: 'Is a token that is none refused, and called invalid_token?',
    spec: specs.bearer('3.1'),
    judge({ garbage }) {
      const verdict = refusedToken(garbage, 'A token that is none')
      if (verdict?.kind !== 'success') return verdict
      const code = parameterOf(parseChallenge(header(garbage, 'www-authenticate') ?? ''), 'error')
      return code === 'invalid_token'
        ? verdict
        : warning(
            `A token that is none is refused, with error ${quoted(code ?? 'absent')} and not invalid_token.`,
          )
    },
  },
  {
    code: 'query_token',
    asks: 'Is a token in the query no token?',
    spec: specs.mcp('token-requirements'),
    judge({ inQuery, challenge }) {
      const verdict = refusedToken(inQuery, 'A token in the query')
      if (verdict?.kind !== 'success') return verdict
      const code = parameterOf(parseChallenge(header(inQuery, 'www-authenticate') ?? ''), 'error')
      return code === parameterOf(challenge, 'error')
        ? success('A token in the query is no token.')
        : warning(`A token in the query seems to be looked at: error is ${quoted(code ?? 'absent')} then.`)
    },
  },
  {
    code: 'unsigned_token',
    asks: 'Is a token without a signature refused (alg none)?',
    spec: specs.jwt('2.1'),
    judge: ({ unsigned }) => refusedToken(unsigned, 'A token without a signature'),
  },
  {
    code: 'forged_token',
    asks: 'Is a token refused that somebody else signed?',
    spec: specs.accessToken('4'),
    judge: ({ forged }) => refusedToken(forged, 'A token that somebody else signed'),
  },
  {
    code: 'foreign_token',
    asks: 'Is a good token for another server refused?',
    spec: specs.mcp('token-audience-binding-and-validation'),
    judge: ({ foreign }) =>
      refusedToken(foreign, 'A good token for another server') ??
      unchecked('There was no good token for another server to try.'),
  },
]
