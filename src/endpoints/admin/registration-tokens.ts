import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { newId, newSecret, sha256 } from '../../lib/secret.ts'
import type { RegistrationToken } from '../../storage/registration-tokens.ts'
import { listOf, notFound, time } from './answer.ts'
import { byId } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { created, ok, type Route, route } from './route.ts'

const newToken = z
  .strictObject({
    expires_in: z.int().min(60).max(31_536_000).default(604_800).describe('Seconds'),
    uses: z.int().min(1).max(10_000).default(1),
  })
  .prefault({})

const tokenView = z
  .strictObject({ id: z.string(), uses_left: z.int(), created_at: time, expires_at: time })
  .meta({ id: 'RegistrationToken' })

const newTokenView = tokenView
  .extend({ initial_access_token: z.string().describe('In this one answer') })
  .meta({ id: 'NewRegistrationToken' })

/** What somebody needs to register a client where the policy asks for it. */
export function registrationTokenRoutes({ store: { registrationTokens } }: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/registration-tokens',
      role: 'read',
      operationId: 'listRegistrationTokens',
      summary: 'List the registration tokens',
      answers: { 200: listOf(tokenView) },
      handle: async () => ok({ items: (await registrationTokens.list()).map(viewOf) }),
    }),

    route({
      method: 'POST',
      path: '/registration-tokens',
      role: 'write',
      operationId: 'createRegistrationToken',
      summary: 'Make a token that clients may register with',
      body: newToken,
      answers: { 201: newTokenView },
      handle: async ({ body: { expires_in: lifetime, uses }, by: { actor, now } }) => {
        const secret = newSecret('cc_iat_')
        const token: RegistrationToken = {
          id: newId('iat_'),
          tokenHash: sha256(secret),
          usesLeft: uses,
          createdAt: now,
          expiresAt: now + lifetime,
        }
        const detail = { registration_token: token.id, uses, expires_at: token.expiresAt }
        const event = auditEvent(now, { event: 'registration_token.created', actor, detail })
        await registrationTokens.create(token, event)
        return created({ ...viewOf(token), initial_access_token: secret })
      },
    }),

    route({
      method: 'DELETE',
      path: '/registration-tokens/{id}',
      role: 'write',
      operationId: 'deleteRegistrationToken',
      summary: 'Delete a registration token; clients that registered with it stay',
      params: byId,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params: { id }, by: { actor, now } }) => {
        const detail = { registration_token: id }
        const event = auditEvent(now, { event: 'registration_token.deleted', actor, detail })
        if (!(await registrationTokens.delete(id, event))) throw notFound('registration token')
        return receipt({ registration_token: id })
      },
    }),
  ]
}

function viewOf({ id, usesLeft, createdAt, expiresAt }: RegistrationToken) {
  return { id, uses_left: usesLeft, created_at: createdAt, expires_at: expiresAt }
}
