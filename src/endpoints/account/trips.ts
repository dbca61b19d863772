import type { FastifyReply } from 'fastify'
import { bindBrowser } from '../../http/cookies.ts'
import { beginInteraction, interactionUrl, secondsToEnd } from '../../http/interaction.ts'
import { accountPageOutdated } from '../../http/page-refusal.ts'
import { holderOf, secondsToWait } from '../../http/rates.ts'
import { createReserve } from '../../http/reserve.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { accountUrl } from '../../http/shown.ts'
import { isRecent, signInProviders, type Visitor } from '../../http/visitor.ts'
import type { AccountDeed, AccountRequest } from '../../storage/documents.ts'
import { showSignInAgain } from './deeds.ts'
import { waysInOf } from './identities.ts'
import { field, type Press } from './press.ts'

type Asked = Omit<Press, 'visitor'>

/** The one thing on the page that asks for nobody to be signed in. */
export async function beginSignIn(asked: Asked, visitor: Visitor | undefined): Promise<FastifyReply> {
  if (visitor) return seeOther(asked.reply, accountUrl(asked.gateway))
  const signInProvider = await chosenProvider(asked)
  return await begin(asked, undefined, { signInProvider, request: { kind: 'account', purpose: 'sign_in' } })
}

/** A person who is signed in here signs in somewhere else as well: both are proven in this browser. */
export async function beginLink(press: Press): Promise<FastifyReply> {
  const signInProvider = await chosenProvider(press)
  if (!isRecent(press.gateway, press.visitor)) {
    return await signInAgain(press, { action: 'link', provider: signInProvider })
  }
  return await begin(press, press.visitor, { signInProvider, request: { kind: 'account', purpose: 'link' } })
}

/** Sends somebody whose sign-in is not recent to sign in anew, by any of their ways in, before a deed. */
export async function signInAgain(press: Press, deed: AccountDeed): Promise<FastifyReply> {
  const { gateway, visitor, form, reply } = press
  const waysIn = await waysInOf(gateway, visitor.subjectId)
  const chosen = form.values.get('again')
  if (!waysIn.some(({ id }) => id === chosen) || chosen === undefined) {
    return sendPage(reply, showSignInAgain(gateway, visitor, deed, waysIn))
  }
  const maxAge = gateway.config.lifetimes.recent_sign_in
  const request = { kind: 'account', purpose: 'prove', deed, state: 'open', maxAge } as const
  return await begin(press, visitor, { signInProvider: chosen, request })
}

/** The account and the rights of one connection, once more. */
export async function beginReconnect(press: Press): Promise<FastifyReply> {
  const { gateway, visitor } = press
  const connection = await gateway.store.connections.find(field(press, 'connection_id'))
  const provider = connection && (await gateway.providers.find(connection.provider))
  if (!provider?.enabled || connection?.subjectId !== visitor.subjectId) throw accountPageOutdated()
  const { identity } = provider.descriptor.scopes
  // What an administrator no longer lets this gateway ask for is not asked for.
  const isAllowed = (scope: string) => provider.scopes === undefined || provider.scopes.includes(scope)
  const scopes = connection.scopes.filter((scope) => !identity.includes(scope) && isAllowed(scope))
  const request = {
    kind: 'account',
    purpose: 'reconnect',
    connectionId: connection.id,
    provider: provider.id,
    scopes,
  } as const
  return await begin(press, visitor, { signInProvider: null, request })
}

async function chosenProvider(asked: Asked): Promise<string> {
  const chosen = field(asked, 'provider')
  const providers = await signInProviders(asked.gateway)
  if (!providers.some(({ id }) => id === chosen)) throw accountPageOutdated()
  return chosen
}

/** Within the same limits as an authorization: it is a row, and a visit to a provider. */
async function begin(
  { gateway, request, reply }: Asked,
  visitor: Visitor | undefined,
  begun: { signInProvider: string | null; request: AccountRequest },
): Promise<FastifyReply> {
  const admit = createReserve(gateway, request, visitor?.session)
  admit(secondsToWait(gateway, [['authorizations_per_address', holderOf(request)], ['authorizations']]))
  admit(await secondsToEnd(gateway, ''))
  const id = await beginInteraction(gateway, {
    browserHash: bindBrowser(gateway.config, request, reply),
    clientId: null,
    resourceId: null,
    consent: null,
    subjectId: visitor?.subjectId ?? null,
    ...begun,
  })
  return seeOther(reply, interactionUrl(gateway, id))
}
