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
  /** Sends the browser back to the client with an authorization response. */
  redirect(
    redirectUri: string,
    parameters: Record<string, string | undefined>,
    headers?: Reply['headers'],
  ): Reply
  /** The same callback with `iss` as scripted, and the scripted change made. */
  changed(callback: URL): URL
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

export function createCallbacks(issuer: string, iss: IssMode): Callbacks {
  const callbacks: Callbacks = {
    iss,
    next: undefined,
    redirect(redirectUri, parameters, headers) {
      const url = new URL(redirectUri)
      for (const [name, value] of Object.entries(parameters)) {
        if (value !== undefined) url.searchParams.append(name, value)
      }
      return redirect(callbacks.changed(url).href, headers)
    },
    changed(callback) {
      const url = new URL(callback)
      url.searchParams.delete('iss')
      for (const value of issValues(callbacks.iss, issuer)) url.searchParams.append('iss', value)
      const change = callbacks.next
      callbacks.next = undefined
      for (const [name, value] of Object.entries(change?.set ?? {})) url.searchParams.set(name, value)
      for (const name of change?.remove ?? []) url.searchParams.delete(name)
      for (const [name, value] of change?.append ?? []) url.searchParams.append(name, value)
      return url
    },
  }
  return callbacks
}
