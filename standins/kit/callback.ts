import { z } from 'zod'
import { type Reply, redirect } from './exchange.ts'

export const issModeSchema = z.union([
  z.enum(['always', 'never', 'wrong', 'duplicate']),
  z.strictObject({ value: z.string() }),
])

/** Whether and how `iss` (RFC 9207) comes along on the way back; `{ value }` is another provider's issuer, say. */
export type IssMode = z.infer<typeof issModeSchema>

export const callbackChangeSchema = z.strictObject({
  set: z.record(z.string(), z.string()).default({}),
  remove: z.array(z.string()).default([]),
  append: z.array(z.tuple([z.string(), z.string()])).default([]),
})

/** A change to the next redirect back to the client: parameters replaced, removed, or added once more. */
export type CallbackChange = z.infer<typeof callbackChangeSchema>

export type Callbacks = {
  iss: IssMode
  next: CallbackChange | undefined
}

export function newCallbacks(): Callbacks {
  return { iss: 'always', next: undefined }
}

function issValues(mode: IssMode, issuer: string): string[] {
  if (typeof mode === 'object') return [mode.value]
  switch (mode) {
    case 'always':
      return [issuer]
    case 'never':
      return []
    case 'wrong':
      return ['https://issuer.invalid']
    case 'duplicate':
      return [issuer, issuer]
  }
}

/** Sends the browser back to the client with an authorization response. */
export function redirectBack(
  callbacks: Callbacks,
  redirectUri: string,
  issuer: string,
  parameters: Record<string, string | undefined>,
  headers: Reply['headers'] = {},
): Reply {
  const url = new URL(redirectUri)
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) url.searchParams.append(name, value)
  }
  return redirect(changedCallback(callbacks, url, issuer).href, headers)
}

/** The same redirect with `iss` as the control API wants it, and the scripted change made. */
export function changedCallback(callbacks: Callbacks, callback: URL, issuer: string): URL {
  const url = new URL(callback)
  url.searchParams.delete('iss')
  for (const value of issValues(callbacks.iss, issuer)) url.searchParams.append('iss', value)

  const change = callbacks.next
  callbacks.next = undefined
  for (const [name, value] of Object.entries(change?.set ?? {})) url.searchParams.set(name, value)
  for (const name of change?.remove ?? []) url.searchParams.delete(name)
  for (const [name, value] of change?.append ?? []) url.searchParams.append(name, value)
  return url
}
