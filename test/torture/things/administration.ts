import { basic, redirectUri } from '../../support/world.ts'
import { becomes, change, type Fact, learn } from '../model.ts'
import { type Answer, send, sendJson } from '../send.ts'
import type { Scene } from './session.ts'

/** A further credential of the MCP server. */
export type Credential = { id: string; state: Fact<'good' | 'gone'> }

/** A client that administrators switch on and off. */
export type Switched = { id: string; state: Fact<'on' | 'off'> }

async function admin({ stage }: Scene, method: string, path: string, body?: unknown): Promise<Answer> {
  const token = stage.env.COATCHECK_ADMIN_TOKEN ?? ''
  return await sendJson(method, `${stage.address()}/admin/v1${path}`, token, body)
}

export async function addCredential(scene: Scene): Promise<Credential | undefined> {
  const { stage, model } = scene
  const { outcome, status, body } = await admin(scene, 'POST', '/resources/torture/credentials', {})
  model.answers[outcome]++
  if (status !== 201) return undefined
  const credential = { id: String(body.client_id), secret: String(body.client_secret) }
  const look = async () => {
    const { status } = await send(`${stage.address()}/v1/token-sessions/nobody`, {
      headers: { authorization: basic(credential) },
    })
    if (status === 404) return 'good' as const
    return status === 401 ? ('gone' as const) : undefined
  }
  const name = `credential ${credential.id}`
  return { id: credential.id, state: learn(model, { name, state: 'good', look }) }
}

export async function removeCredential(scene: Scene, { id, state }: Credential): Promise<void> {
  await change(scene.model, { what: 'removing a credential', changes: [becomes(state, 'gone')] }, () =>
    admin(scene, 'DELETE', `/resources/torture/credentials/${id}`),
  )
}

export async function addSwitched(scene: Scene): Promise<Switched | undefined> {
  const { outcome, status, body } = await admin(scene, 'POST', '/clients', {
    client_name: 'Switched',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'none',
  })
  scene.model.answers[outcome]++
  if (status !== 201) return undefined
  const id = String(body.client_id)
  const look = async () => {
    const { status, body } = await admin(scene, 'GET', `/clients/${id}`)
    if (status !== 200) return undefined
    return body.enabled === true ? ('on' as const) : ('off' as const)
  }
  return { id, state: learn(scene.model, { name: `client ${id}`, state: 'on', look }) }
}

export async function turn(scene: Scene, { id, state }: Switched, to: 'on' | 'off'): Promise<void> {
  await change(scene.model, { what: `turning ${id} ${to}`, changes: [becomes(state, to)] }, () =>
    admin(scene, 'PATCH', `/clients/${id}`, { enabled: to === 'on' }),
  )
}
