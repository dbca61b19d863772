import { z } from 'zod'
import type { Place } from '../lib/seal.ts'

/** A provider's answer as it came, before anything is made of it. */
export type RawAnswer = { status: number; contentType: string; body: string }

const rawAnswer = z.object({ status: z.int(), contentType: z.string(), body: z.string() })

export const answerPlace = (connectionId: string): Place => ({
  table: 'refresh_leases',
  row: connectionId,
  column: 'sealed_answer',
})

export async function toRaw(response: Response): Promise<RawAnswer> {
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    body: await response.text(),
  }
}

export function asResponse({ status, contentType, body }: RawAnswer): Response {
  return new Response(body, { status, headers: { 'content-type': contentType } })
}

/** Errors come under status 200, too. */
export const mayHoldTokens = ({ body }: RawAnswer) =>
  /access_token|"refresh_token"|\brefresh_token=/.test(body)

/** Throws for what `JSON.stringify` of a raw answer did not make. */
export function parseRaw(text: string): RawAnswer {
  return rawAnswer.parse(JSON.parse(text))
}
