import type { Author } from '../audit/event.ts'
import { ConfigError } from './config.ts'
import type { DeclarationParts } from './declaration-plan.ts'
import { planDeclaredClients } from './declared-clients.ts'
import { planDeclaredProviders } from './declared-providers.ts'
import { planDeclaredResources } from './declared-resources.ts'

/**
 * Brings the store in line with the configuration file, as it starts: what is declared is written, what was and no
 * longer is gets disabled, and what already stands as declared is left alone. Throws `ConfigError` with every
 * mistake, and has then written nothing. Several processes may do so at once.
 */
export async function applyDeclarations(parts: DeclarationParts): Promise<void> {
  const by: Author = { origin: 'config', actor: 'config', now: parts.clock() }
  const providers = await planDeclaredProviders(parts, by)
  const resources = await planDeclaredResources(parts, providers.findProvider, by)
  const clients = await planDeclaredClients(parts, by)
  const plans = [providers, resources, clients]
  const errors = plans.flatMap((plan) => plan.errors)
  if (errors.length > 0) throw new ConfigError(errors)
  for (const write of plans.flatMap((plan) => plan.writes)) await write()
}
