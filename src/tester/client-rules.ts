import { error, type Rule, success, unchecked, type Verdict, warning } from './check.ts'
import type { ClientFacts } from './client-facts.ts'
import { refusesToRedirect } from './endpoint-rules.ts'
import {
  type Heard,
  isOfType,
  jsonType,
  listed,
  objectIn,
  quoted,
  redirectOf,
  said,
  strings,
} from './heard.ts'
import { isUncached, readOAuthError } from './oauth-error.ts'
import { strangerRedirect } from './requests.ts'
import type { ServerFacts } from './server-facts.ts'
import { specs } from './specs.ts'

const withClient =
  (judge: (client: ClientFacts, facts: ServerFacts) => Verdict | undefined): Rule<ServerFacts>['judge'] =>
  (facts) =>
    facts.client && judge(facts.client, facts)

/** The error an authorization request was sent back with, if it was sent back. */
function sentBack(heard: Heard | undefined, { redirectUri }: ClientFacts): URLSearchParams | undefined {
  const to = redirectOf(heard)
  return to && to.origin + to.pathname === redirectUri ? to.searchParams : undefined
}

function answerFault({ registration, redirectUri }: ClientFacts): string | undefined {
  const answer = objectIn(registration)
  if (registration.outcome === 'failed') return registration.reason
  if (registration.status !== 201) return `${said(registration)}, and not 201`
  if (!answer || !isOfType(registration, jsonType)) return `${said(registration)}, and no JSON`
  if (typeof answer.client_id !== 'string' || answer.client_id === '') return 'there is no client_id'
  const nulls = Object.keys(answer).filter((name) => answer[name] === null)
  if (nulls.length > 0) return `${listed(nulls)} must not be null`
  const uris = strings(answer.redirect_uris)
  return uris.includes(redirectUri) ? undefined : 'redirect_uris does not have what was sent'
}

/** What only a client can see that has registered. */
export const clientRules: readonly Rule<ServerFacts>[] = [
  {
    code: 'registration',
    asks: 'Does registering a public client answer 201 with what was registered?',
    spec: specs.registration('3.2.1'),
    judge: withClient((client) => {
      const fault = answerFault(client)
      if (fault !== undefined) return error(`Registering a public client: ${fault}.`)
      const method = objectIn(client.registration)?.token_endpoint_auth_method
      return method === 'none'
        ? success('A public client was registered.')
        : warning(
            `A client without a secret was wanted, and token_endpoint_auth_method is ${quoted(method)}.`,
          )
    }),
  },
  {
    code: 'registration_caching',
    asks: 'Is the answer to a registration kept by no cache?',
    spec: specs.registration('3.2.1'),
    judge: withClient(({ registration, clientId }) => {
      if (clientId === undefined) return undefined
      return isUncached(registration)
        ? success('The answer to a registration says no-store.')
        : warning('The answer to a registration does not say Cache-Control: no-store.')
    }),
  },
  {
    code: 'bad_code',
    asks: 'Does the token endpoint say invalid_grant to a code it did not issue? Clients sign in again then.',
    spec: specs.oauth('5.2'),
    judge: withClient(({ badCode }) => {
      if (!badCode) return undefined
      const read = readOAuthError(badCode)
      if (read.outcome === 'malformed')
        return error(`For a code it did not issue the token endpoint: ${read.message}.`)
      return read.error === 'invalid_grant' && read.status === 400
        ? success('A code that was not issued is invalid_grant (400).')
        : error(
            `A code that was not issued is ${quoted(read.error)} (${read.status}), and not invalid_grant (400).`,
          )
    }),
  },
  {
    code: 'unknown_redirect_uri',
    asks: 'Is a redirect URI that the client never registered told to the person on a page?',
    spec: specs.bestPractice('2.1'),
    judge: withClient(
      ({ elsewhere }) =>
        elsewhere && refusesToRedirect(elsewhere, strangerRedirect, 'a redirect URI nobody registered'),
    ),
  },
  {
    code: 'pkce_required',
    asks: 'Is an authorization request without PKCE refused?',
    spec: specs.bestPractice('2.1.1'),
    judge: withClient((client) => {
      const heard = client.withoutChallenge
      if (!heard) return undefined
      const back = sentBack(heard, client)
      if (back?.has('code')) return error('A request without code_challenge got a code.')
      if (back?.has('error'))
        return success(`A request without code_challenge is ${quoted(back.get('error'))}.`)
      return heard.outcome === 'answer' && heard.status >= 400 && heard.status < 500
        ? success(`A request without code_challenge is refused (${heard.status}).`)
        : unchecked(
            'A request without code_challenge goes on to the sign-in; only a person sees what comes then.',
          )
    }),
  },
  {
    code: 'error_response',
    asks: 'Does an error go back to the client with its state, and with iss where that is promised?',
    spec: specs.iss('2'),
    judge: withClient((client, { issuer, found }) => {
      const back = sentBack(client.withoutChallenge, client) ?? sentBack(client.unknownResource, client)
      if (!back) return unchecked('No request was sent back with an error before somebody signs in.')
      const isPromised = found?.metadata.authorization_response_iss_parameter_supported === true
      if (back.getAll('state').join() !== client.state)
        return error('state does not come back as it was sent.')
      const iss = back.getAll('iss').join()
      if (iss === issuer) return success('Errors come back with state and iss.')
      if (isPromised || iss !== '') return error(`iss is ${quoted(iss || 'absent')}, and not the issuer.`)
      return success('Errors come back with state.')
    }),
  },
  {
    code: 'resource_indicators',
    asks: 'Is resource understood, and one that nobody knows refused (invalid_target)?',
    spec: specs.resource('2'),
    judge(facts) {
      const { client, found } = facts
      if (!found) return undefined
      if (found.metadata.resource_indicators_supported === true) return success('The metadata promise it.')
      if (!client?.unknownResource)
        return unchecked('Only a client that is known can see it, and none was registered for this test.')
      const refused = sentBack(client.unknownResource, client)?.get('error')
      if (refused === 'invalid_target') return success('A resource that nobody knows is invalid_target.')
      return warning(
        'A resource that nobody knows is not refused: tokens may not be bound to one MCP server.',
      )
    },
  },
  {
    code: 'registration_deleted',
    asks: 'Can a client delete its registration?',
    spec: specs.management('2.3'),
    judge: withClient(({ clientId, removal }) => {
      if (clientId === undefined) return undefined
      if (removal?.outcome === 'answer' && removal.status >= 200 && removal.status < 300) {
        return success('The client of this test was deleted again.')
      }
      const why = removal ? said(removal) : 'there is no registration_client_uri at its own origin'
      return warning(`The client ${quoted(clientId)} of this test stays behind: ${why}.`)
    }),
  },
]
