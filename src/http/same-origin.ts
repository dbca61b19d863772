import type { FastifyRequest } from 'fastify'
import { PageRefusal } from './page-refusal.ts'

/**
 * Refuses a form that was not sent from one of our own pages. `Sec-Fetch-Site` decides where the browser sends
 * it; older ones send `Origin`. What sends neither is no browser, and holds no cookie that matters.
 */
export function requireSameOrigin(issuer: string, request: FastifyRequest): void {
  const site = request.headers['sec-fetch-site']
  const origin = request.headers.origin
  const isOurs =
    site !== undefined ? site === 'same-origin' : origin === undefined || origin === new URL(issuer).origin
  if (!isOurs) throw new PageRefusal(403, { kind: 'cross-site' })
}
