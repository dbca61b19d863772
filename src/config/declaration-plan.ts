import type { ProblemField } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Store } from '../storage/store.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'
import type { Config } from './config.ts'

export type DeclarationParts = {
  config: Config
  store: Store
  sealer: Sealer
  providers: ProviderRegistry
  clock: Clock
}

/** What declarations of one kind come to: their mistakes, and the changes they ask for. */
export type DeclarationPlan = { errors: string[]; writes: (() => Promise<unknown>)[] }

export const takenByApi = 'was set up through the admin API; delete it there to declare it here'

/** `providers.x.variables.web: must be https`, as the other mistakes of a configuration are written. */
export function declarationErrors(place: string, errors: readonly ProblemField[]): string[] {
  return errors.map(({ pointer, message }) => {
    const path = pointer.replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
    return `${place}${path}: ${message}`
  })
}
