import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { accountPageOutdated } from '../../http/page-refusal.ts'
import type { Visitor } from '../../http/visitor.ts'
import type { Parameters } from '../../lib/parameters.ts'

/** What somebody pressed, with everything it may need. */
export type Press = {
  gateway: Gateway
  request: FastifyRequest
  reply: FastifyReply
  form: Parameters
  visitor: Visitor
}

export function field({ form }: Pick<Press, 'form'>, name: string): string {
  const value = form.values.get(name)
  if (value === undefined) throw accountPageOutdated()
  return value
}
