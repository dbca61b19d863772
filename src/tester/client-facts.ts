import { newId } from '../lib/secret.ts'
import { type Ask, type Heard, type Json, objectIn } from './heard.ts'
import { authorize, posting, redeemNothing, strangerRedirect, urlOf } from './requests.ts'

/** What a client that registered itself for the test has seen; it is deleted where that is possible. */
export type ClientFacts = {
  registration: Heard
  clientId: string | undefined
  redirectUri: string
  state: string
  /** What came of a code that nobody issued. */
  badCode: Heard | undefined
  /** Authorization requests: to a redirect URI that is not its own, without PKCE, for a resource nobody knows. */
  elsewhere: Heard | undefined
  withoutChallenge: Heard | undefined
  unknownResource: Heard | undefined
  /** Absent where it was not told how. */
  removal: Heard | undefined
}

const redirectUri = 'http://127.0.0.1:33419/callback'

/** Registers a public client (RFC 7591), tries what only one that is known can, and deletes it (RFC 7592). */
export async function tryClient(ask: Ask, metadata: Json): Promise<ClientFacts | undefined> {
  const endpoint = urlOf(metadata.registration_endpoint)
  if (endpoint === undefined) return undefined
  const registration = await ask(endpoint, {
    ...posting,
    body: JSON.stringify({
      client_name: 'Coatcheck test',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    }),
  })
  const answer = objectIn(registration)
  const clientId = typeof answer?.client_id === 'string' ? answer.client_id : undefined
  const state = newId('')
  const none = { badCode: undefined, elsewhere: undefined, withoutChallenge: undefined }
  const seen =
    clientId === undefined
      ? { ...none, unknownResource: undefined }
      : await requests(ask, metadata, { clientId, state })
  const removal = answer && (await remove(ask, endpoint, answer))
  return { registration, clientId, redirectUri, state, ...seen, removal }
}

async function requests(ask: Ask, metadata: Json, { clientId, state }: { clientId: string; state: string }) {
  const authorization = urlOf(metadata.authorization_endpoint)
  const token = urlOf(metadata.token_endpoint)
  const go = async (parameters: Record<string, string | undefined>) =>
    authorization === undefined
      ? undefined
      : await authorize(ask, authorization, {
          client_id: clientId,
          redirect_uri: redirectUri,
          state,
          ...parameters,
        })
  const [badCode, elsewhere, withoutChallenge, unknownResource] = await Promise.all([
    token === undefined ? undefined : redeemNothing(ask, token, { clientId, redirectUri }),
    go({ redirect_uri: strangerRedirect }),
    go({ code_challenge: undefined, code_challenge_method: undefined }),
    go({ resource: 'https://unknown.mcp-server.example/mcp' }),
  ])
  return { badCode, elsewhere, withoutChallenge, unknownResource }
}

/** Its token goes to nobody but who issued it. */
async function remove(ask: Ask, endpoint: string, answer: Json): Promise<Heard | undefined> {
  const { registration_client_uri: uri, registration_access_token: token } = answer
  const url = urlOf(uri)
  if (url === undefined || typeof token !== 'string' || !/^[\x21-\x7E]+$/.test(token)) return undefined
  if (new URL(url).origin !== new URL(endpoint).origin) return undefined
  return await ask(url, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
}
