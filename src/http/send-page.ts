import type { FastifyReply } from 'fastify'
import type { Html } from '../lib/html.ts'
import { pageHeaders, securityHeaders } from '../pages/layout.ts'

export function sendPage(reply: FastifyReply, page: Html, status = 200): FastifyReply {
  return reply.code(status).headers(pageHeaders(page)).send(String(page))
}

/** A redirect a browser follows with GET, whatever it came with (RFC 9700 section 4.12). */
export function seeOther(reply: FastifyReply, url: string): FastifyReply {
  return reply
    .code(303)
    .headers({ ...securityHeaders('no-referrer'), location: url })
    .send()
}
