export type Fetch = typeof globalThis.fetch

export type FetchLimits = {
  /** In seconds, for the whole answer. */
  readonly deadline: number
  readonly bytes: number
}

export type Fetched =
  | { readonly outcome: 'answer'; readonly status: number; readonly text: string }
  | { readonly outcome: 'failed'; readonly reason: 'unreachable' | 'redirected' | 'too_large' }

/** Fetches within a deadline and a number of bytes, and follows no redirect: what is asked answers, or nobody. */
export async function boundedFetch(
  fetch: Fetch,
  url: string,
  init: Omit<RequestInit, 'redirect' | 'signal'>,
  limits: FetchLimits,
): Promise<Fetched> {
  try {
    const signal = AbortSignal.timeout(limits.deadline * 1000)
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    // Browsers and some edge runtimes hide a redirect behind the status 0.
    if (response.status === 0 || (response.status >= 300 && response.status < 400)) {
      await response.body?.cancel()
      return { outcome: 'failed', reason: 'redirected' }
    }
    const text = await readText(response, limits.bytes)
    if (text === undefined) return { outcome: 'failed', reason: 'too_large' }
    return { outcome: 'answer', status: response.status, text }
  } catch {
    return { outcome: 'failed', reason: 'unreachable' }
  }
}

async function readText(response: Response, limit: number): Promise<string | undefined> {
  const reader = response.body?.getReader()
  if (!reader) return ''
  const decoder = new TextDecoder()
  let text = ''
  for (let size = 0; ; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > limit) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}

export type JsonObject = Readonly<Record<string, unknown>>

/** A JSON object, or undefined for anything else. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
