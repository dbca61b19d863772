import { wishParameters } from '../../grants/retrieval-wish.ts'
import type { Parameters } from '../../lib/parameters.ts'
import type { TokenGrant } from './grant.ts'
import { exchangeForResource, resourceTokenTypes } from './resource-exchange.ts'
import { exchangeForUpstream } from './upstream-exchange.ts'

export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/**
 * RFC 8693, for resources: a person's token for the one that asks is exchanged for an upstream token, or for a token
 * for another resource. `resource` and `audience` may be repeated there, so whoever reads them looks at all of them.
 */
export const tokenExchange: TokenGrant<'resource'> = {
  caller: 'resource',
  parameters: [
    'subject_token',
    'subject_token_type',
    'requested_token_type',
    'actor_token',
    'actor_token_type',
    'provider',
    ...wishParameters,
  ],
  async answer(gateway, caller, form) {
    switch (exchangedFor(form)) {
      case 'resource':
        return await exchangeForResource(gateway, caller, form)
      case 'upstream':
        return await exchangeForUpstream(gateway, caller, form)
    }
  },
}

/** What an exchange asks for; without a type it shows in whether a provider or a resource is named. */
export function exchangedFor({ values, all }: Parameters): 'resource' | 'upstream' {
  const type = values.get('requested_token_type')
  const namesResource = all.has('resource') || all.has('audience')
  const isForResource =
    type === undefined ? namesResource && !all.has('provider') : resourceTokenTypes.includes(type)
  return isForResource ? 'resource' : 'upstream'
}
