import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import { newId, newSecret, sha256 } from '../../lib/secret.ts'
import type { RegistrationToken } from '../../storage/registration-tokens.ts'
import { authorOf } from './authenticate.ts'
import { idOf, noQuery } from './input.ts'
import { notFound, receipt } from './receipt.ts'

const newToken = z.strictObject({
  expires_in: z.int().min(60).max(31_536_000).default(604_800),
  uses: z.int().min(1).max(10_000).default(1),
})

/** What somebody needs to register a client where the policy asks for it. */
export function registrationTokenRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { registrationTokens } = gateway.store

  api.get('/registration-tokens', async (request) => {
    accept(noQuery, request.query)
    return { items: (await registrationTokens.list()).map(viewOf) }
  })

  api.post('/registration-tokens', async (request, reply) => {
    const { expires_in: lifetime, uses } = accept(newToken, request.body ?? {})
    const { actor, now } = authorOf(gateway, request)
    const secret = newSecret('cc_iat_')
    const token: RegistrationToken = {
      id: newId('iat_'),
      tokenHash: sha256(secret),
      usesLeft: uses,
      createdAt: now,
      expiresAt: now + lifetime,
    }
    const detail = { registration_token: token.id, uses, expires_at: token.expiresAt }
    await registrationTokens.create(
      token,
      auditEvent(now, { event: 'registration_token.created', actor, detail }),
    )
    return reply.code(201).send({ ...viewOf(token), initial_access_token: secret })
  })

  api.delete('/registration-tokens/:id', async (request) => {
    const id = idOf(request)
    const { actor, now } = authorOf(gateway, request)
    const detail = { registration_token: id }
    const event = auditEvent(now, { event: 'registration_token.deleted', actor, detail })
    if (!(await registrationTokens.delete(id, event))) throw notFound('registration token')
    return receipt({ registration_token: id }, { tokenSessionsEnded: 0, connectionsDeleted: [] })
  })
}

function viewOf({ id, usesLeft, createdAt, expiresAt }: RegistrationToken) {
  return { id, uses_left: usesLeft, created_at: createdAt, expires_at: expiresAt }
}
