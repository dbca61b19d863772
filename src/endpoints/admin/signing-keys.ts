import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import type { SigningKey } from '../../storage/signing-keys.ts'
import { publishedKeys, signingKeyAt } from '../../tokens/signing-key-ring.ts'
import { authorOf } from './authenticate.ts'
import { noQuery } from './input.ts'

/** `emergency`: a key leaked, and nothing it signed may count any more, from this second on. */
const rotation = z.strictObject({ emergency: z.boolean().default(false) })
const atOnce = { overlap: 0, tokenLifetime: 0 }

export function signingKeyRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { signingKeys, store } = gateway

  api.get('/signing-keys', async (request) => {
    accept(noQuery, request.query)
    // Makes the first key where there is none.
    await signingKeys.signingKey()
    const keys = await store.signingKeys.list()
    return { items: viewsOf(keys, gateway.clock()) }
  })

  api.post('/signing-keys/rotate', async (request) => {
    const { emergency } = accept(rotation, request.body ?? {})
    const { actor } = authorOf(gateway, request)
    const rotated = await signingKeys.rotate(actor, emergency ? atOnce : undefined)
    switch (rotated.outcome) {
      case 'rotated':
        return { kid: rotated.kid, active_at: rotated.activeAt }
      case 'overtaken':
        throw new Problem(409, 'overtaken', 'Another process rotated the keys at the same moment')
    }
  })
}

function viewsOf(keys: readonly SigningKey[], now: number) {
  const signing = signingKeyAt(keys, now)
  const published = publishedKeys(keys, now)
  const stateOf = ({ kid, activeAt }: SigningKey) => {
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
