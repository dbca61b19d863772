import type { Gateway } from '../../gateway.ts'
import { rightsShown } from '../../http/shown.ts'
import type { ProviderAsked } from '../../pages/consent.ts'
import { connectionFor, type Plan } from './plan.ts'

/** Every provider of a plan, with the account that is connected already. */
export function providersAsked(gateway: Gateway, plan: Plan): ProviderAsked[] {
  return plan.asks.map((ask) => {
    const id = connectionFor(plan, ask, gateway.clock())
    const account = plan.held.find((connection) => connection.id === id)?.accountLabel
    return {
      id: ask.provider.id,
      name: ask.provider.name,
      purpose: 'work' as const,
      need: ask.required ? ('required' as const) : ('optional' as const),
      ...rightsShown(ask.provider, ask.scopes),
      ...(account === undefined ? {} : { account }),
    }
  })
}
