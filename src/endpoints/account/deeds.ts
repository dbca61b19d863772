import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { isOfBrowser } from '../../http/cookies.ts'
import { accountUrl, issuerHost } from '../../http/shown.ts'
import { isRecent, type Visitor } from '../../http/visitor.ts'
import type { Html } from '../../lib/html.ts'
import { confirmPage, type Deed } from '../../pages/confirm.ts'
import { signInAgainPage } from '../../pages/sign-in-again.ts'
import type { AccountDeed } from '../../storage/documents.ts'
import type { Provider } from '../../upstream/provider.ts'
import { identityFields, isSame } from './identities.ts'

/** The hidden fields by which the account page's form says such a deed. */
function fieldsOf(deed: AccountDeed, { proof }: Visitor): Record<string, string> {
  const about = deed.action === 'link' ? { provider: deed.provider } : identityFields(deed)
  return { proof, action: deed.action, ...about }
}

export function showSignInAgain(
  gateway: Gateway,
  visitor: Visitor,
  deed: AccountDeed,
  waysIn: readonly Provider[],
): Html {
  return signInAgainPage({
    deed: deed.action,
    providers: waysIn.map(({ id, name }) => ({ id, name })),
    backUrl: accountUrl(gateway),
    issuerHost: issuerHost(gateway),
    action: accountUrl(gateway),
    fields: fieldsOf(deed, visitor),
  })
}

/**
 * The question that somebody signed in anew for, by the trip that they did it on: this browser's, this person's, and
 * not long ago.
 */
export async function showAsked(
  gateway: Gateway,
  request: FastifyRequest,
  visitor: Visitor,
  interactionId: string,
): Promise<Html | undefined> {
  const interaction = await gateway.store.interactions.find(interactionId, gateway.clock())
  const asked = interaction?.request
  if (!interaction || asked?.kind !== 'account' || asked.purpose !== 'prove') return undefined
  const isTheirs =
    isOfBrowser(gateway.config, request, interaction) && interaction.subjectId === visitor.subjectId
  if (!isTheirs || asked.state !== 'proven' || !isRecent(gateway, visitor)) return undefined
  const deed = await deedShown(gateway, visitor, asked.deed)
  return deed && showConfirm(gateway, deed, fieldsOf(asked.deed, visitor))
}

export function showConfirm(gateway: Gateway, deed: Deed, fields: Record<string, string>): Html {
  return confirmPage({
    deed,
    backUrl: accountUrl(gateway),
    issuerHost: issuerHost(gateway),
    action: accountUrl(gateway),
    fields,
  })
}

async function deedShown(
  gateway: Gateway,
  { subjectId }: Visitor,
  deed: AccountDeed,
): Promise<Deed | undefined> {
  const provider = await gateway.providers.find(deed.provider)
  const name = provider?.name ?? deed.provider
  if (deed.action === 'link') return { kind: 'link', provider: { name } }
  const identities = await gateway.store.subjects.listIdentities(subjectId)
  const found = identities.find((each) => isSame(each, deed))
  return found && { kind: 'unlink', provider: { name }, label: found.label }
}
