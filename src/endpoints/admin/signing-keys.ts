import { z } from 'zod'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { SigningKey } from '../../storage/signing-keys.ts'
import { atOnce, publishedKeys, signingKeyAt } from '../../tokens/signing-key-ring.ts'
import { listOf, time } from './answer.ts'
import { ok, type Route, route } from './route.ts'

const rotation = z
  .strictObject({
    emergency: z
      .boolean()
      .default(false)
      .describe('A key leaked, and nothing it signed may count any more, from this second on'),
  })
  .prefault({})

const state = z.enum(['pending', 'signing', 'retiring', 'retired'])

const keyView = z
  .strictObject({
    kid: z.string(),
    state,
    public_jwk: z.record(z.enum(['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use']), z.string()),
    created_at: time,
    active_at: time,
    retires_at: time.nullable(),
  })
  .meta({ id: 'SigningKey' })

export function signingKeyRoutes({ signingKeys, store, clock }: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/signing-keys',
      role: 'read',
      operationId: 'listSigningKeys',
      summary: 'List the signing keys and what they do',
      answers: { 200: listOf(keyView) },
      handle: async () => {
        // Makes the first key where there is none.
        await signingKeys.signingKey()
        return ok({ items: viewsOf(await store.signingKeys.list(), clock()) })
      },
    }),

    route({
      method: 'POST',
      path: '/signing-keys/rotate',
      role: 'write',
      operationId: 'rotateSigningKeys',
      summary: 'Put a new signing key after the present one',
      body: rotation,
      answers: { 200: z.strictObject({ kid: z.string(), active_at: time }) },
      problems: ['overtaken'],
      handle: async ({ body: { emergency }, by: { actor } }) => {
        const rotated = await signingKeys.rotate(actor, emergency ? atOnce : undefined)
        switch (rotated.outcome) {
          case 'rotated':
            return ok({ kid: rotated.kid, active_at: rotated.activeAt })
          case 'overtaken':
            throw new Problem(409, 'overtaken', 'Another process rotated the keys at the same moment')
        }
      },
    }),

    route({
      method: 'DELETE',
      path: '/signing-keys/{kid}',
      role: 'write',
      operationId: 'removeSigningKey',
      summary: 'Take a key that leaked out of the published set, and refuse all it signed',
      params: z.strictObject({ kid: z.string().max(200) }),
      answers: {
        200: z.strictObject({
          kid: z.string(),
          successor: z.string().optional().describe('The key that was made in its place'),
        }),
      },
      problems: ['not_found', 'overtaken'],
      handle: async ({ params: { kid }, by: { actor } }) => {
        const removal = await signingKeys.remove(actor, kid)
        switch (removal.outcome) {
          case 'removed': {
            const { successor } = removal
            return ok({ kid, ...(successor !== undefined && { successor }) })
          }
          case 'unknown':
            throw new Problem(404, 'not_found', 'There is no such signing key')
          case 'overtaken':
            throw new Problem(409, 'overtaken', 'Another process changed the keys at the same moment')
        }
      },
    }),
  ]
}

function viewsOf(keys: readonly SigningKey[], now: number) {
  const signing = signingKeyAt(keys, now)
  const published = publishedKeys(keys, now)
  const stateOf = ({ kid, activeAt }: SigningKey): z.output<typeof state> => {
    if (kid === signing?.kid) return 'signing'
    if (!published.some((key) => key.kid === kid)) return 'retired'
    return activeAt > now ? 'pending' : 'retiring'
  }
  return keys
    .toSorted((a, b) => endOf(b) - endOf(a))
    .map((key) => ({
      kid: key.kid,
      state: stateOf(key),
      public_jwk: key.publicJwk,
      created_at: key.createdAt,
      active_at: key.activeAt,
      retires_at: key.retiresAt,
    }))
}

/** Keys retire in the order they were made; the youngest has no end yet. */
function endOf({ retiresAt }: SigningKey): number {
  return retiresAt ?? Number.MAX_SAFE_INTEGER
}
