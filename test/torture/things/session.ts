import { basic } from '../../support/world.ts'
import { becomes, change, type Fact, learn, type Model, observe } from '../model.ts'
import { type Answer, post, send } from '../send.ts'
import { resourceUri, type Stage } from '../stage.ts'

/** A grant, as its client and its MCP server see it. */
export type Session = {
  tsid: string
  accountId: string
  client: { id: string; secret?: string; redirectUri: string }
  state: Fact<'live' | 'ended'>
  accessToken: string
  /** The last one its client was given. */
  refreshToken: string
  /** One whose successor was used: to present it again ends the family. */
  spentToken?: string
  /** What each refresh token was answered with. */
  successors: Map<string, string>
}

export type Scene = { stage: Stage; model: Model }

/** Tokens that were answered to a code. */
export function learnSession(
  scene: Scene,
  { client, accountId, body }: Pick<Session, 'client' | 'accountId'> & Pick<Answer, 'body'>,
): Session {
  const accessToken = String(body.access_token)
  const tsid = tsidOf(accessToken)
  const session: Session = {
    tsid,
    accountId,
    client,
    accessToken,
    refreshToken: String(body.refresh_token),
    successors: new Map(),
    state: learn(scene.model, {
      name: `session ${tsid.slice(0, 8)} of ${accountId}`,
      state: 'live',
      look: () => look(scene, session),
    }),
  }
  return session
}

/** The client asks for new tokens, as often at once as it is told to: a client that lost its patience asks twice. */
export async function refresh({ stage, model }: Scene, session: Session, times = 1): Promise<Answer[]> {
  const presented = session.refreshToken
  const asked = Array.from({ length: times }, () => presentToken(stage, session, presented))
  const answers = await Promise.all(asked)
  for (const answer of answers) {
    model.answers[answer.outcome]++
    // Who was not answered asks again while the gateway still has the answer for them (`refresh_grace`).
    if (answer.outcome === 'unknown') session.state.isTouched = true
    if (seenByRefresh(answer) === 'ended') observe(model, session.state, 'ended', 'refreshing')
    if (answer.status !== 200) continue
    observe(model, session.state, 'live', 'refreshing')
    const successor = String(answer.body.refresh_token)
    const known = session.successors.get(presented)
    if (known !== undefined && known !== successor) model.wrong.push(`${session.state.name} forked`)
    session.successors.set(presented, successor)
    session.accessToken = String(answer.body.access_token)
    session.refreshToken = successor
  }
  // The one before was used, since its successor was just presented.
  const [before] = [...session.successors].find(([, successor]) => successor === presented) ?? []
  if (before !== undefined && answers.some(({ status }) => status === 200)) session.spentToken = before
  return answers
}

/** A thief, or a client gone back in time, presents a refresh token that was used long ago: the family ends. */
export async function replay({ stage, model }: Scene, session: Session): Promise<void> {
  const { spentToken } = session
  if (spentToken === undefined) return
  // `invalid_grant` is how it is said that the family has ended.
  const ask = async (): Promise<Answer> => {
    const answer = await presentToken(stage, session, spentToken)
    if (answer.status === 200) model.wrong.push(`${session.state.name} gave new tokens for a spent one`)
    return answer.status === 400 ? { ...answer, outcome: 'acknowledged' } : answer
  }
  await change(model, { what: 'a replay', changes: [becomes(session.state, 'ended')] }, ask)
}

export async function revoke({ stage, model }: Scene, session: Session): Promise<void> {
  await change(model, { what: 'a revocation', changes: [becomes(session.state, 'ended')] }, () =>
    post(`${stage.address()}/oauth/revoke`, { ...clientForm(session), token: session.refreshToken }),
  )
}

/** The MCP server asks for the upstream token. */
export async function retrieve({ stage, model }: Scene, session: Session): Promise<Answer> {
  const { tsid, state, accountId } = session
  const answer = await send(`${stage.address()}/v1/token-sessions/${tsid}/tokens/atlassian`, {
    headers: { authorization: basic(stage.credential) },
  })
  model.answers[answer.outcome]++
  if (answer.status === 404) observe(model, state, 'ended', 'retrieving')
  if (answer.status !== 200) return answer
  observe(model, state, 'live', 'retrieving')
  model.released.set(tsid, (model.released.get(tsid) ?? 0) + 1)
  const owner = stage.ownerOf(String(answer.body.access_token))
  if (owner !== accountId) model.wrong.push(`${state.name} was given a token of ${owner ?? 'nobody'}`)
  return answer
}

/** The MCP server asks whether an access token is still good. */
export async function introspect({ stage, model }: Scene, session: Session): Promise<Answer> {
  const answer = await askIntrospection(stage, session)
  model.answers[answer.outcome]++
  if (answer.status === 200)
    observe(model, session.state, answer.body.active === true ? 'live' : 'ended', 'introspecting')
  return answer
}

type Seen = 'live' | 'ended' | undefined

/** All three ways in say the same of it. */
async function look(scene: Scene, session: Session): Promise<Seen> {
  const introspected = await introspect(scene, session)
  const [refreshed] = await refresh(scene, session)
  const retrieved = await retrieve(scene, session)
  const seen = [
    seenByIntrospection(introspected),
    refreshed && seenByRefresh(refreshed),
    seenByRetrieval(retrieved),
  ]
  const [first] = seen
  if (seen.every((each) => each === first)) return first
  const answers = [introspected, refreshed, retrieved].map(
    (answer) => `${answer?.status} ${answer?.body.error ?? ''}`,
  )
  scene.model.wrong.push(`${session.state.name}: introspection, refresh, retrieval say ${answers.join(', ')}`)
  return undefined
}

function seenByIntrospection({ status, body }: Answer): Seen {
  if (status !== 200) return undefined
  return body.active === true ? 'live' : 'ended'
}

/** A client that is gone is refused by 401. */
function seenByRefresh({ status }: Answer): Seen {
  if (status === 200) return 'live'
  return status === 400 || status === 401 ? 'ended' : undefined
}

/** Whatever keeps the provider from giving a token, it is only said of sessions that live. */
function seenByRetrieval({ status, body }: Answer): Seen {
  if (status === 404 && body.error_code === 'unknown_token_session') return 'ended'
  const isUpstream = body.error_code !== undefined && body.error_code !== 'gateway_unavailable'
  return status === 200 || (status >= 424 && isUpstream) ? 'live' : undefined
}

export const askIntrospection = (stage: Stage, { accessToken }: Session): Promise<Answer> =>
  post(
    `${stage.address()}/oauth/introspect`,
    { token: accessToken },
    { authorization: basic(stage.credential) },
  )

export async function presentToken(stage: Stage, session: Session, token: string): Promise<Answer> {
  return await post(`${stage.address()}/oauth/token`, {
    ...clientForm(session),
    grant_type: 'refresh_token',
    refresh_token: token,
    resource: resourceUri,
  })
}

export const clientForm = ({ client }: Pick<Session, 'client'>): Record<string, string> => ({
  client_id: client.id,
  ...(client.secret !== undefined && { client_secret: client.secret }),
})

function tsidOf(accessToken: string): string {
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString())
  return String(claims.tsid)
}
