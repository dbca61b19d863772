/**
 * What whoever asked knows afterwards. `acknowledged`: it was said that it is so. `refused`: it was said that it is not.
 * `unknown`: a connection that broke, and every 5xx, which promises neither.
 */
export type Outcome = 'acknowledged' | 'refused' | 'unknown'

export type Answer = {
  outcome: Outcome
  /** 0 where no answer came. */
  status: number
  body: Record<string, unknown>
}

/** Longer than anything a gateway may take for an answer. */
const longest = 60_000

/** One request of a client; it throws nothing, whatever happens to the gateway. */
export async function send(url: string, init: RequestInit = {}): Promise<Answer> {
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(longest),
      ...init,
    })
    return {
      outcome: outcomeOf(response.status),
      status: response.status,
      body: readBody(await response.text()),
    }
  } catch (error) {
    // Where there was no connection, nothing was asked.
    return { outcome: wasRefused(error) ? 'refused' : 'unknown', status: 0, body: {} }
  }
}

export const post = async (url: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
  await send(url, { method: 'POST', headers, body: new URLSearchParams(form) })

export const sendJson = async (method: string, url: string, token: string, body?: unknown) =>
  await send(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })

export function outcomeOf(status: number): Outcome {
  if (status >= 500) return 'unknown'
  return status < 400 ? 'acknowledged' : 'refused'
}

function wasRefused(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as { code?: unknown } | undefined) : undefined
  return cause?.code === 'ECONNREFUSED'
}

function readBody(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text))
  } catch {
    // Pages, and answers that were cut off.
    return {}
  }
}
