import { isLoopbackHost } from '../lib/address.ts'
import { UsageError } from './usage-error.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'

/** A JSON object of the wire, whose members are read with a check of their own. */
export type Json = Readonly<Record<string, unknown>>

/** One call of the admin API. Throws `AdminApiError` where the answer is no success. */
export type AdminApi = (method: Method, path: string, body?: unknown) => Promise<Json>

/** What the admin API said no to, or that it is not there; in words for a person. */
export class AdminApiError extends Error {
  override name = 'AdminApiError'
  /** The problem (RFC 9457), where there is one. */
  readonly problem: Json | undefined
  /** What to do, where that is known; it ends the message. */
  readonly advice: string | undefined
  constructor(message: string, problem?: Json, advice?: string) {
    super(advice === undefined ? message : `${message}. ${advice}`)
    this.problem = problem
    this.advice = advice
  }

  /** The message without the advice. */
  get fault(): string {
    return this.advice === undefined ? this.message : this.message.slice(0, -this.advice.length - 2)
  }
}

const deadline = 60_000

/** Where the gateway is, and what its `Authorization` header is to say. */
export type Gate = { url: string; authorize(): Promise<string> }

/** Calls of the admin API at a gateway. */
export function createAdminApi({ url, authorize }: Gate): AdminApi {
  refuseCleartext(url)
  return async (method, path, body) => {
    const authorization = await authorize()
    const response = await reach(url, () =>
      fetch(`${url}/admin/v1${path}`, {
        method,
        headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        // The credential is for this gateway, and for nobody it might point to.
        redirect: 'manual',
        signal: AbortSignal.timeout(deadline),
      }),
    )
    const answer = await jsonOf(response)
    if (response.ok && answer) return answer
    throw refusal(url, response.status, answer)
  }
}

/** The lines of one answer of the admin API, as they come. Throws where it is no success, or is broken off. */
export type AdminLines = (path: string) => AsyncGenerator<Json>

/** Calls of the admin API at a gateway that answer lines of JSON. */
export function createAdminLines({ url, authorize }: Gate): AdminLines {
  refuseCleartext(url)
  return async function* (path) {
    const authorization = await authorize()
    const ask = () =>
      fetch(`${url}/admin/v1${path}`, {
        headers: { authorization },
        redirect: 'manual',
        signal: AbortSignal.timeout(deadline),
      })
    const response = await reach(url, ask)
    if (!response.ok || !response.body) throw refusal(url, response.status, await jsonOf(response))
    let rest = ''
    try {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) yield JSON.parse(line) as Json
      }
    } catch (error) {
      throw new AdminApiError(
        `the answer of ${url} was broken off (${causeOf(error) ?? 'no reason is known'})`,
      )
    }
  }
}

function refuseCleartext(url: string): void {
  const fault = !URL.canParse(url)
    ? 'is not an absolute URL'
    : new URL(url).protocol === 'http:' && !isLoopbackHost(new URL(url).hostname)
      ? 'must be https, unless it is on this machine: the administrator’s credential goes there'
      : undefined
  if (fault !== undefined) throw new UsageError(`${url} ${fault}`)
}

/** Whatever a gateway answers; one that does not is said with what to do. */
export async function reach(url: string, ask: () => Promise<Response>): Promise<Response> {
  try {
    return await ask()
  } catch (error) {
    const code = causeOf(error)
    if (code === 'ECONNREFUSED') {
      const advice = 'Start it with `npm start` (or `coatcheck serve`), or say where it is: --url'
      throw new AdminApiError(`no gateway listens at ${url}`, undefined, advice)
    }
    throw new AdminApiError(`${url} cannot be reached${code === undefined ? '' : ` (${code})`}`)
  }
}

function causeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { cause } = error
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined
  return String(cause.code)
}

/** Undefined for what is not a JSON object. */
export async function jsonOf(response: Response): Promise<Json | undefined> {
  try {
    const answer: unknown = await response.json()
    return isJson(answer) ? answer : undefined
  } catch {
    return undefined
  }
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refusal(url: string, status: number, problem: Json | undefined): AdminApiError {
  if (typeof problem?.title !== 'string') {
    return new AdminApiError(`${url} answers ${status}, and not as Coatcheck does. Is it the right address?`)
  }
  const { title, detail, errors, code } = problem
  const lines = [
    typeof detail === 'string' ? `${title}. ${detail}` : title,
    ...(Array.isArray(errors) ? errors.filter(isJson).map(fieldLine) : []),
    ...(code === 'unauthenticated'
      ? ['Is the token that of this gateway? --token-file says where it is.']
      : []),
  ]
  return new AdminApiError(lines.join('\n  '), problem)
}

function fieldLine({ pointer, message }: Json): string {
  return pointer === '' || pointer === undefined ? String(message) : `${pointer}: ${message}`
}
