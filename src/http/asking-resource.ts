import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { AskingResource } from '../grants/open-session.ts'
import type { RateName } from '../limits/rates.ts'
import { authenticateCaller } from './callers.ts'
import { countRequest } from './rates.ts'

/** Where only MCP servers call, each with its credential. */
export async function authenticateResource(
  gateway: Gateway,
  request: FastifyRequest,
  rate: RateName,
): Promise<AskingResource> {
  const asking = await findAskingResource(gateway, request)
  countRequest(gateway, [rate, asking.resource.id])
  return asking
}

/** The same, where what a request counts as is known later. */
export async function findAskingResource(gateway: Gateway, request: FastifyRequest): Promise<AskingResource> {
  const caller = await authenticateCaller(gateway, request)
  if (caller.kind !== 'resource') throw new NotAResource()
  return caller
}

export class NotAResource extends Error {
  override name = 'NotAResource'
}
