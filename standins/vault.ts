import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { command, nothing } from './kit/command.ts'
import { type Call, json, type Reply } from './kit/exchange.ts'
import { faultSchema } from './kit/faults.ts'
import { answerRoutes, openStandin, type Standin, type StandinOptions } from './standin.ts'

/** A strict transit engine of Vault: one key of type `aes256-gcm96`, whose versions never leave it. */
export type Vault = Standin & {
  /** Of the key, as an operator names it. */
  keyUrl: string
  token: string
  control: ReturnType<typeof vaultControl>
}

type State = { name: string; token: string; versions: Buffer[]; oldest: number; isSealed: boolean }

type Core = Awaited<ReturnType<typeof openStandin<'vault'>>>['core']

const members = z.strictObject({
  plaintext: z.base64().optional(),
  ciphertext: z.string().optional(),
  associated_data: z.base64().optional(),
})

export async function startVault(options: StandinOptions & { name?: string } = {}): Promise<Vault> {
  const { core, urls, serve } = await openStandin(
    { name: 'vault', ports: { vault: 0 }, issuer: ({ vault }) => vault, iss: 'never' },
    options,
  )
  const { name = 'coatcheck' } = options
  const token = `hvs.${randomBytes(24).toString('base64url')}`
  const state: State = { name, token, versions: [randomBytes(32)], oldest: 1, isSealed: false }
  const routes = answerRoutes({
    'POST /v1/transit/encrypt/:name': (call) => answered(state, call, encrypt),
    'POST /v1/transit/decrypt/:name': (call) => answered(state, call, decrypt),
  })
  const control = vaultControl(core, state)
  const standin = serve({ vault: routes }, control)
  return { ...standin, keyUrl: `${urls.vault}/v1/transit/keys/${name}`, token, control }
}

function vaultControl(core: Core, state: State) {
  return {
    rotate: command(nothing, () => {
      state.versions.push(randomBytes(32))
    }),
    /** `min_decryption_version`. */
    oldest: command(z.int().positive(), (version) => {
      state.oldest = version
    }),
    /** After a restart, until enough people unsealed it. */
    seal: command(z.boolean(), (isSealed) => {
      state.isSealed = isSealed
    }),
    revokeToken: command(nothing, () => {
      state.token = ''
    }),
    script: command(faultSchema, (fault) => core.faults.add(fault)),
    clearScripts: command(nothing, () => core.faults.clear()),
  }
}

const errors = (status: number, ...said: string[]) => json(status, { errors: said })

function answered(
  state: State,
  call: Call,
  operate: (state: State, body: z.output<typeof members>) => Reply,
): Reply {
  if (state.isSealed) return errors(503, 'Vault is sealed')
  if (state.token === '' || call.headers['x-vault-token'] !== state.token) {
    return errors(403, 'permission denied')
  }
  // What a real one would pass over here would be a mistake of ours.
  const body = members.safeParse(call.body)
  if (call.bodyKind !== 'json' || !body.success) return errors(400, 'unknown or missing members')
  if (call.params.name !== state.name) return errors(403, 'permission denied')
  return operate(state, body.data)
}

const dataOf = ({ associated_data: text = '' }: z.output<typeof members>) => Buffer.from(text, 'base64')

function encrypt({ versions }: State, body: z.output<typeof members>): Reply {
  if (body.plaintext === undefined) return errors(400, 'missing plaintext to encrypt')
  const key = versions.at(-1) ?? Buffer.alloc(0)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(dataOf(body))
  const parts = [nonce, cipher.update(Buffer.from(body.plaintext, 'base64')), cipher.final()]
  const text = Buffer.concat([...parts, cipher.getAuthTag()]).toString('base64')
  const version = versions.length
  return json(200, { data: { ciphertext: `vault:v${version}:${text}`, key_version: version } })
}

function decrypt({ versions, oldest }: State, body: z.output<typeof members>): Reply {
  const [, version = '', text = ''] = /^vault:v(\d+):(.+)$/.exec(body.ciphertext ?? '') ?? []
  const key = versions[Number(version) - 1]
  if (!key) return errors(400, 'invalid ciphertext: no prefix')
  if (Number(version) < oldest) {
    return errors(400, 'ciphertext or signature version is disallowed by policy (too old)')
  }
  const sealed = Buffer.from(text, 'base64')
  if (sealed.length < 28) return errors(400, 'invalid ciphertext: unable to decrypt')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(dataOf(body)).setAuthTag(sealed.subarray(-16))
  try {
    const opened = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
    return json(200, { data: { plaintext: opened.toString('base64') } })
  } catch {
    return errors(400, 'cipher: message authentication failed')
  }
}
