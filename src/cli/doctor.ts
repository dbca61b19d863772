import { ConfigError, loadConfig } from '../config/config.ts'
import { systemClock } from '../lib/clock.ts'
import { type AdminApi, AdminApiError, isJson, type Json, jsonOf, reach } from './admin-api.ts'
import { type Answer, apiOptions, type Call, type Command } from './command.ts'
import { gatewayUrl } from './gate.ts'
import { segment } from './input.ts'
import { findings } from './providers.ts'
import { columns, itemsOf, wordsOf } from './show.ts'
import { UsageError } from './usage-error.ts'

/** What was looked at and found. `unchecked`: it could not be looked at, and why. */
export type Finding = { about: string; state: 'ok' | 'wrong' | 'note' | 'unchecked'; message: string }

const deadline = 10_000
/** Beyond this, tokens seem to begin or end too early (seconds). */
const tolerableSkew = 30

async function doctor(call: Call): Promise<Answer> {
  const found = [...configuration(call), ...(await gateway(gatewayUrl(call, call.terminal), call))]
  const isWrong = found.some(({ state }) => state === 'wrong')
  const lines = columns(found.map(({ about, state, message }) => [state, about, message]))
  const verdict = isWrong ? 'Something is wrong.' : 'Nothing is wrong.'
  const unchecked = found.some(({ state }) => state === 'unchecked')
    ? ' Not everything could be checked.'
    : ''
  return {
    text: `${lines}\n\n${verdict}${unchecked}`,
    json: { ok: !isWrong, findings: found },
    exitCode: isWrong ? 1 : 0,
  }
}

/** The configuration as a gateway started here would read it. */
function configuration({ text, terminal }: Call): Finding[] {
  const about = 'configuration'
  if (text('url') !== undefined) {
    return [{ about, state: 'unchecked', message: 'that of a gateway elsewhere is not seen from here' }]
  }
  try {
    loadConfig(terminal.env, terminal.readFile)
    return [{ about, state: 'ok', message: 'the variables and the file are sound' }]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.errors.map((message) => ({ about, state: 'wrong', message }))
  }
}

async function gateway(url: string, { api }: Call): Promise<Finding[]> {
  const published = await attempt('metadata', () => metadata(url))
  if (published.some(({ state }) => state === 'wrong')) {
    const rest = ['database', 'signing keys', 'providers', 'MCP servers']
    const message = 'only seen through a gateway that answers at its issuer'
    return [...published, ...rest.map((about): Finding => ({ about, state: 'unchecked', message }))]
  }
  return [
    ...published,
    ...(await attempt('database', () => readiness(url))),
    ...(await attempt('signing keys', async () => await signingKeys(api()))),
    ...(await attempt('providers', async () => await providers(api()))),
    ...(await attempt('MCP servers', async () => await resources(api()))),
  ]
}

/** What cannot be asked for is itself a finding. */
async function attempt(about: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check()
  } catch (error) {
    if (error instanceof AdminApiError) return [{ about, state: 'wrong', message: error.message }]
    if (error instanceof UsageError) return [{ about, state: 'unchecked', message: error.message }]
    throw error
  }
}

const get = async (url: string) =>
  await reach(url, () => fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(deadline) }))

/** RFC 8414 section 3: where clients look, and an issuer that is the same to the byte. */
async function metadata(issuer: string): Promise<Finding[]> {
  if (!URL.canParse(issuer)) throw new UsageError(`${issuer} is not an absolute URL`)
  const { origin, pathname } = new URL(issuer)
  const address = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
  const response = await get(address)
  const document = await jsonOf(response)
  const about = 'metadata'
  if (!response.ok || !document) {
    const message = `${address} answers ${response.status} and no metadata; does a proxy pass /.well-known/ on?`
    return [{ about, state: 'wrong', message }]
  }
  if (document.issuer !== issuer) {
    const message = `names the issuer ${wordsOf(document.issuer)}, which is not ${issuer} to the byte`
    return [{ about, state: 'wrong', message }]
  }
  return [
    { about, state: 'ok', message: `${address} names this issuer` },
    ...(await attempt('JWKS', () => jwks(document.jwks_uri))),
    ...clockSkew(response.headers.get('date'), systemClock()),
  ]
}

async function jwks(address: unknown): Promise<Finding[]> {
  const about = 'JWKS'
  const answer =
    typeof address === 'string' && URL.canParse(address) ? await jsonOf(await get(address)) : undefined
  const keys = Array.isArray(answer?.keys) ? answer.keys.filter(isJson) : []
  if (keys.length === 0) {
    return [{ about, state: 'wrong', message: `${wordsOf(address)} has no key: nobody can validate a token` }]
  }
  // RFC 7517 section 4: `d` is the private half.
  const isPrivate = keys.some((key) => Object.hasOwn(key, 'd'))
  if (isPrivate) return [{ about, state: 'wrong', message: 'publishes a private key: rotate it now' }]
  return [{ about, state: 'ok', message: `${keys.length === 1 ? 'one key' : `${keys.length} keys`}` }]
}

/** The gateway's clock against that of this machine. */
export function clockSkew(date: string | null, now: number): Finding[] {
  const about = 'clock'
  const theirs = Date.parse(date ?? '') / 1000
  if (Number.isNaN(theirs))
    return [{ about, state: 'unchecked', message: 'the gateway does not tell its time' }]
  const skew = Math.round(theirs - now)
  if (Math.abs(skew) <= tolerableSkew) {
    return [{ about, state: 'ok', message: 'the gateway’s is that of this machine' }]
  }
  const direction = skew > 0 ? 'ahead of' : 'behind'
  const message = `the gateway’s is ${Math.abs(skew)} s ${direction} that of this machine; set both by NTP`
  return [{ about, state: 'wrong', message }]
}

async function readiness(issuer: string): Promise<Finding[]> {
  const { ok, status } = await get(`${issuer}/readyz`)
  if (ok) return [{ about: 'database', state: 'ok', message: 'takes writes' }]
  const message = `does not take writes (/readyz answers ${status}): is its disk full, or its server down?`
  return [{ about: 'database', state: 'wrong', message }]
}

async function signingKeys(api: AdminApi): Promise<Finding[]> {
  return keyFindings(itemsOf(await api('GET', '/signing-keys')))
}

export function keyFindings(keys: readonly Json[]): Finding[] {
  const about = 'signing keys'
  const count = (state: string) => keys.filter((key) => key.state === state).length
  if (count('signing') !== 1) {
    return [
      { about, state: 'wrong', message: `${count('signing')} keys sign; coatcheck key rotate makes one` },
    ]
  }
  const others = ['pending', 'retiring', 'retired'].map((state) => `${count(state)} ${state}`)
  return [{ about, state: 'ok', message: `one signs; ${others.join(', ')}` }]
}

async function providers(api: AdminApi): Promise<Finding[]> {
  const items = itemsOf(await api('GET', '/providers'))
  if (items.length === 0) {
    return [{ about: 'providers', state: 'note', message: 'none yet: coatcheck provider set --help' }]
  }
  const found: Finding[] = []
  for (const { id, enabled } of items) {
    const checked = await api('POST', `/providers/${segment(wordsOf(id))}/check`)
    found.push(...providerFindings(wordsOf(id), enabled === true ? 'enabled' : 'disabled', checked))
  }
  return found
}

export function providerFindings(id: string, use: 'enabled' | 'disabled', checked: Json): Finding[] {
  const about = `provider ${id}`
  // Nobody is harmed by what nobody can use.
  const state = use === 'enabled' ? 'wrong' : 'note'
  const registered = `register the redirect URI ${wordsOf(checked.redirect_uri)} there; only a sign-in shows whether it is`
  return [
    ...findings(checked.problems).map((message): Finding => ({ about, state, message })),
    ...findings(checked.warnings).map((message): Finding => ({ about, state: 'note', message })),
    { about, state: checked.ok === true ? 'ok' : 'note', message: registered },
  ]
}

async function resources(api: AdminApi): Promise<Finding[]> {
  const items = itemsOf(await api('GET', '/resources'))
  if (items.length === 0) {
    return [{ about: 'MCP servers', state: 'note', message: 'none yet: coatcheck resource set --help' }]
  }
  const found: Finding[] = []
  for (const { id, resource } of items) {
    const about = `MCP server ${wordsOf(id)}`
    const credentials = itemsOf(await api('GET', `/resources/${segment(wordsOf(id))}/credentials`))
    found.push(
      credentials.length > 0
        ? { about, state: 'ok', message: wordsOf(resource) }
        : {
            about,
            state: 'note',
            message: `cannot fetch tokens: coatcheck resource credential create ${wordsOf(id)}`,
          },
    )
  }
  return found
}

export const doctorCommand: Command = {
  name: 'doctor',
  arguments: [],
  summary: 'what is wrong with the gateway, its keys and its providers, and what to do',
  options: apiOptions,
  examples: ['coatcheck doctor'],
  run: doctor,
}
