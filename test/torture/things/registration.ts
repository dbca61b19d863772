import { becomes, change, type Fact, learn } from '../model.ts'
import { type Answer, send, sendJson } from '../send.ts'
import type { Stage } from '../stage.ts'
import type { Scene, Session } from './session.ts'

/** A client that registered itself, with the token that manages its registration. */
export type Registration = { id: string; token: string; state: Fact<'registered' | 'gone'> }

const metadata = {
  client_name: 'A client under torture',
  redirect_uris: ['http://127.0.0.1/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
}

/** The request alone: what comes of it nobody remembers. */
export const askRegistration = (stage: Stage): Promise<Answer> =>
  send(`${stage.address()}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metadata),
  })

export async function register(scene: Scene): Promise<Registration | undefined> {
  const { stage, model } = scene
  const { outcome, status, body } = await askRegistration(stage)
  model.answers[outcome]++
  if (status !== 201) return undefined
  const id = String(body.client_id)
  const token = String(body.registration_access_token)
  const look = async () => {
    const { status } = await sendJson('GET', managed(scene, id), token)
    if (status === 200) return 'registered' as const
    return status === 401 ? ('gone' as const) : undefined
  }
  return { id, token, state: learn(model, { name: `registration ${id}`, state: 'registered', look }) }
}

/** The client takes its registration back: its sessions end with it. */
export async function unregister(
  scene: Scene,
  { id, token, state }: Registration,
  sessions: readonly Session[],
): Promise<void> {
  const changes = [becomes(state, 'gone'), ...sessions.map((each) => becomes(each.state, 'ended'))]
  await change(scene.model, { what: `deleting ${id}`, changes }, () =>
    sendJson('DELETE', managed(scene, id), token),
  )
}

const managed = ({ stage }: Scene, id: string) => `${stage.address()}/oauth/register/${id}`
