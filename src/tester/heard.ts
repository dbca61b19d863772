import { displayExact, displayText } from '../lib/display-text.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { GuardedFetch, GuardedRequest } from '../lib/guarded-fetch.ts'

export type Json = Readonly<Record<string, unknown>>

export type Answered = { outcome: 'answer'; url: string; status: number; headers: Headers; text: string }

/** What came back from one request. A redirect is an answer like any other: none is followed. */
export type Heard = Answered | { outcome: 'failed'; url: string; reason: string }

export type Ask = (
  url: string,
  request?: Pick<GuardedRequest, 'method' | 'headers' | 'body'>,
) => Promise<Heard>

export type AskOptions = {
  fetch: GuardedFetch
  /** Seconds for each request. */
  deadline: number
  /** Ends everything. */
  signal: AbortSignal
  /** The hosts that may lie on a private network, because whoever asks named them. */
  privateHosts?: ReadonlySet<string>
}

export function createAsk({ fetch, deadline, signal, privateHosts = new Set() }: AskOptions): Ask {
  return async (url, request = {}) => {
    try {
      const response = await fetch(url, { ...request, deadline, signal, privateHosts })
      const { status, headers } = response
      return { outcome: 'answer', url, status, headers, text: await response.text() }
    } catch (cause) {
      if (cause instanceof FetchError) return { outcome: 'failed', url, reason: cause.message }
      if (signal.aborted) return { outcome: 'failed', url, reason: 'the time for the whole test is up' }
      throw cause
    }
  }
}

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The JSON object that an answer is. */
export function objectIn(heard: Heard | undefined): Json | undefined {
  if (heard?.outcome !== 'answer') return undefined
  try {
    const value: unknown = JSON.parse(heard.text)
    return isJson(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The document that was asked for. */
export const documentIn = (heard: Heard | undefined): Json | undefined =>
  heard?.outcome === 'answer' && heard.status === 200 ? objectIn(heard) : undefined

export const header = (heard: Heard | undefined, name: string): string | undefined =>
  heard?.outcome === 'answer' ? (heard.headers.get(name) ?? undefined) : undefined

export const isOfType = (heard: Heard, type: RegExp): boolean =>
  type.test(header(heard, 'content-type') ?? '')

export const jsonType = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

/** Where it leads, for an answer that is a redirect. */
export function redirectOf(heard: Heard | undefined): URL | undefined {
  if (heard?.outcome !== 'answer' || heard.status < 300 || heard.status > 399) return undefined
  const location = heard.headers.get('location')
  return (location !== null && URL.parse(location, heard.url)) || undefined
}

/** What came, in a few words; nothing of the body. */
export function said(heard: Heard): string {
  if (heard.outcome === 'failed') return heard.reason
  const to = redirectOf(heard)
  if (to) return `it redirects (${heard.status}) to ${quoted(to.origin + to.pathname)}`
  const type = header(heard, 'content-type')
  return `it answers ${heard.status}${type === undefined ? '' : ` (${quotedText(type)})`}`
}

/** What a stranger wrote, fit for a terminal. */
export const quoted = (value: unknown): string =>
  typeof value === 'string' ? displayExact(value, 200) : displayText(jsonOf(value), 200)

/** Reading JSON takes no stack and writing it does: what is nested deep enough cannot be shown. */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'nothing'
  } catch {
    return 'what is nested too deep'
  }
}

/** Free text of a stranger. */
export const quotedText = (text: string): string => displayText(text, 200)

export const listed = (values: readonly unknown[]): string =>
  values.length <= 8
    ? values.map(quoted).join(', ')
    : `${values.slice(0, 8).map(quoted).join(', ')} and ${values.length - 8} more`

/** The strings of a list of strings; nothing for what is none. */
export const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
