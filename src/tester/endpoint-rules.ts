import { error, type Rule, success, type Verdict, warning } from './check.ts'
import { lets } from './discovery-rules.ts'
import { type Heard, header, quoted, redirectOf, said } from './heard.ts'
import { isUncached, readOAuthError } from './oauth-error.ts'
import { strangerRedirect } from './requests.ts'
import type { ServerFacts } from './server-facts.ts'
import { specs } from './specs.ts'

const of =
  (name: 'authorization' | 'token' | 'registration', judge: (heard: Heard) => Verdict) =>
  (facts: ServerFacts): Verdict | undefined => {
    const heard = facts[name]
    return heard && judge(heard)
  }

/** Of an endpoint that is not there one question is enough. */
const ofAnswered =
  (name: 'authorization' | 'token', judge: (heard: Heard) => Verdict) => (facts: ServerFacts) =>
    facts[name]?.outcome === 'answer' ? of(name, judge)(facts) : undefined

/** Whether somebody is sent to where only a client that is known may send people. */
export function refusesToRedirect(heard: Heard, redirectUri: string, whose: string): Verdict {
  if (heard.outcome === 'failed' || heard.status === 404 || heard.status === 405) {
    return error(`At the authorization endpoint ${said(heard)}: nobody can sign in.`)
  }
  const to = redirectOf(heard)
  if (to && to.origin === new URL(redirectUri).origin) {
    return error(`People are redirected to ${whose}: anybody can send them anywhere.`)
  }
  if (heard.status >= 500) return error(`For ${whose} ${said(heard)}.`)
  if (to) return warning(`For ${whose} ${said(heard)} instead of saying what is wrong.`)
  return success(`People are told on a page (${heard.status}), and not sent to ${whose}.`)
}

const preventsFraming = (heard: Heard) =>
  /frame-ancestors/i.test(header(heard, 'content-security-policy') ?? '') ||
  header(heard, 'x-frame-options') !== undefined

/** The endpoints, as somebody meets them whom they do not know. */
export const endpointRules: readonly Rule<ServerFacts>[] = [
  {
    code: 'unknown_client_page',
    asks: 'Is a client that is not known told to the person on a page, and never by a redirect?',
    spec: specs.oauth('4.1.2.1'),
    judge: of('authorization', (heard) =>
      refusesToRedirect(heard, strangerRedirect, 'an unknown client’s redirect URI'),
    ),
  },
  {
    code: 'authorization_cors',
    asks: 'Is the authorization endpoint closed to scripts of other origins?',
    spec: specs.bestPractice('2.6'),
    judge: ofAnswered('authorization', (heard) =>
      header(heard, 'access-control-allow-origin') === undefined
        ? success('No script of another origin may read the authorization endpoint.')
        : error('The authorization endpoint sends Access-Control-Allow-Origin, which it must not.'),
    ),
  },
  {
    code: 'authorization_framing',
    asks: 'Can no page of the authorization endpoint be shown in a frame?',
    spec: specs.bestPractice('4.16'),
    judge: ofAnswered('authorization', (heard) =>
      redirectOf(heard) || preventsFraming(heard)
        ? success('Its pages cannot be shown in a frame.')
        : warning('Neither frame-ancestors nor X-Frame-Options keeps its pages out of a frame.'),
    ),
  },
  {
    code: 'unknown_client',
    asks: 'Does the token endpoint say invalid_client to one it does not know? Clients register again then.',
    spec: specs.oauth('5.2'),
    judge: of('token', (heard) => {
      const read = readOAuthError(heard)
      if (read.outcome === 'malformed')
        return error(`To an unknown client the token endpoint: ${read.message}.`)
      const { error: code, status } = read
      if (code !== 'invalid_client') {
        return warning(
          `To an unknown client the token endpoint says ${quoted(code)}, and not invalid_client.`,
        )
      }
      return status === 400 || status === 401
        ? success(`An unknown client is told invalid_client (${status}).`)
        : warning(`An unknown client is told invalid_client with ${status}, and neither 400 nor 401.`)
    }),
  },
  {
    code: 'token_caching',
    asks: 'Is what the token endpoint answers kept by no cache?',
    spec: specs.oauth('5.1'),
    judge: ofAnswered('token', (heard) =>
      isUncached(heard)
        ? success('The token endpoint says no-store.')
        : warning('The token endpoint does not say Cache-Control: no-store, at least not with an error.'),
    ),
  },
  {
    code: 'token_cors',
    asks: 'May clients in browsers use the token endpoint?',
    spec: specs.bestPractice('2.6'),
    judge: ({ tokenPreflight: heard }) =>
      heard &&
      (lets(heard, 'content-type') && lets(heard, 'authorization')
        ? success('A preflight lets scripts of any origin use the token endpoint.')
        : warning('No preflight lets clients in browsers use the token endpoint.')),
  },
  {
    code: 'registration_open',
    asks: 'Does the registration endpoint take everybody, and refuse what is no metadata as RFC 7591 says?',
    spec: specs.registration('3.2.2'),
    judge: of('registration', (heard) => {
      if (heard.outcome === 'answer' && (heard.status === 401 || heard.status === 403)) {
        return warning(
          `The registration endpoint answers ${heard.status}: clients cannot register by themselves.`,
        )
      }
      const read = readOAuthError(heard)
      return read.outcome === 'error'
        ? success(
            `The registration endpoint is open, and refuses what is no metadata (${quoted(read.error)}).`,
          )
        : error(`The registration endpoint, sent what is no metadata: ${read.message}.`)
    }),
  },
  {
    code: 'registration_cors',
    asks: 'May clients in browsers register?',
    spec: specs.bestPractice('2.6'),
    judge: ({ registrationPreflight: heard }) =>
      heard &&
      (lets(heard, 'content-type')
        ? success('A preflight lets scripts of any origin register.')
        : warning('No preflight lets clients in browsers register.')),
  },
]
