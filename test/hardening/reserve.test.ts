import type { FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { limitsSchema } from '../../src/config/settings.ts'
import { createReserve } from '../../src/http/reserve.ts'
import { createPseudonyms } from '../../src/lib/pseudonyms.ts'
import { createRates } from '../../src/limits/rates.ts'
import { createReturning } from '../../src/limits/returning.ts'

const from = (ip: string) => ({ ip }) as FastifyRequest

test('who signed in from many addresses has as much of the reserve as from one', () => {
  const clock = () => 1_900_000_000
  const limits = limitsSchema.parse({ returning_authorizations_per_person: 3 })
  const nobody = { signInPlaces: { note: async () => {}, since: async () => [] } }
  const gateway = {
    clock,
    rates: createRates({ limits }).rates,
    returning: createReturning({ store: nobody, pseudonyms: createPseudonyms(), clock }),
  }
  const isAdmitted = (ip: string) => {
    try {
      createReserve(gateway, from(ip), undefined)(5)
      return true
    } catch {
      return false
    }
  }
  const mallorys = Array.from({ length: 50 }, (_, network) => `2001:db8:0:${network.toString(16)}::1`)
  const holders = mallorys.map((address) => address.replace(/::1$/, '::/64'))
  gateway.returning.note('192.0.2.1', 'ada')
  for (const holder of holders) gateway.returning.note(holder, 'mallory')
  expect(mallorys.filter(isAdmitted)).toHaveLength(3)
  expect([isAdmitted('192.0.2.1'), isAdmitted('192.0.2.2')]).toEqual([true, false])
})
