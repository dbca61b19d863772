import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditEvent, signedOut } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { browserHashes, clearSession } from '../../http/cookies.ts'
import { accountPageOutdated } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { accountUrl } from '../../http/shown.ts'
import { findVisitor, isRecent, signInProviders } from '../../http/visitor.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { equalSecrets } from '../../lib/secret.ts'
import type { AccountNotice } from '../../pages/account.ts'
import type { Deed } from '../../pages/confirm.ts'
import { showConfirm } from './deeds.ts'
import { identityFields, isSame, isSpare } from './identities.ts'
import { field, type Press } from './press.ts'
import { beginLink, beginReconnect, beginSignIn, signInAgain } from './trips.ts'

/** A button of the account page. All but signing in need the page of this very session. */
export async function act(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  form: Parameters,
): Promise<FastifyReply> {
  const action = form.values.get('action') ?? ''
  const visitor = await findVisitor(gateway, request)
  if (action === 'sign-in') return await beginSignIn({ gateway, request, reply, form }, visitor)
  const isOfSession = visitor && equalSecrets(form.values.get('proof') ?? '', visitor.proof)
  const act = actions.get(action)
  if (!isOfSession || !act) throw accountPageOutdated()
  return await act({ gateway, request, reply, form, visitor })
}

type Action = (press: Press) => Promise<FastifyReply>

const actions: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['end-access', endAccess],
  ['disconnect', disconnect],
  ['reconnect', beginReconnect],
  ['link', beginLink],
  ['unlink', unlink],
  ['sign-out', signOut],
  ['sign-out-everywhere', signOutEverywhere],
  ['end-all', endAll],
])

const done = ({ gateway, reply }: Press, notice: AccountNotice) =>
  seeOther(reply, `${accountUrl(gateway)}?done=${notice}`)

/** Asks first, unless that was answered: the same form again, with a yes in it. */
function confirmation(press: Press, action: string, deed: Deed, fields: Record<string, string> = {}) {
  const { gateway, form, reply, visitor } = press
  if (form.values.get('confirmed') === 'yes') return undefined
  return sendPage(reply, showConfirm(gateway, deed, { proof: visitor.proof, action, ...fields }))
}

/** All sessions of one client at one MCP server. Those of others are not among those of this subject. */
async function endAccess(press: Press): Promise<FastifyReply> {
  const { gateway, visitor } = press
  const clientId = field(press, 'client_id')
  const resourceId = field(press, 'resource_id') || null
  const now = gateway.clock()
  const { subjectId } = visitor
  const actor = `subject:${subjectId}`
  const event = auditEvent(now, { event: 'access.ended', actor, subjectId, clientId, resourceId })
  await gateway.store.grants.endAll({ subjectId, clientId, resourceId }, 'ended_by_subject', now, event)
  return done(press, 'ended')
}

async function endAll(press: Press): Promise<FastifyReply> {
  const asked = confirmation(press, 'end-all', { kind: 'end all' })
  if (asked) return asked
  const { gateway, visitor } = press
  const { subjectId } = visitor
  const now = gateway.clock()
  const event = auditEvent(now, { event: 'access.ended', actor: `subject:${subjectId}`, subjectId })
  await gateway.store.grants.endAll({ subjectId }, 'ended_by_subject', now, event)
  return done(press, 'ended-all')
}

/** An account with all its connections: who disconnects it does not mean one set of rights. */
async function disconnect(press: Press): Promise<FastifyReply> {
  const { gateway, visitor } = press
  const { subjectId } = visitor
  const accountId = field(press, 'account_id')
  const all = await gateway.store.connections.listOf(subjectId)
  const held = all.filter((connection) => connection.accountId === accountId)
  const [first] = held
  if (!first) throw accountPageOutdated()
  const provider = (await gateway.providers.find(first.provider))?.name ?? first.provider
  const deed: Deed = { kind: 'disconnect', provider: { name: provider }, label: first.accountLabel }
  const asked = confirmation(press, 'disconnect', deed, { account_id: accountId })
  if (asked) return asked
  const now = gateway.clock()
  for (const { id, provider } of held) {
    const detail = { connection: id, account: accountId }
    const actor = `subject:${subjectId}`
    const event = auditEvent(now, { event: 'connection.deleted', actor, subjectId, provider, detail })
    await gateway.store.removals.connection(id, now, event)
  }
  return done(press, 'disconnected')
}

/**
 * Never the last way in, and only by whoever signed in a moment ago. Who got in by the one that goes is out everywhere,
 * perhaps here as well.
 */
async function unlink(press: Press): Promise<FastifyReply> {
  const { gateway, visitor } = press
  const { subjectId, session } = visitor
  const key = {
    provider: field(press, 'provider'),
    issuer: field(press, 'issuer'),
    upstreamSubject: field(press, 'upstream_subject'),
  }
  const identities = await gateway.store.subjects.listIdentities(subjectId)
  const found = identities.find((each) => isSame(each, key))
  if (!found || !isSpare(found, identities, await signInProviders(gateway))) throw accountPageOutdated()
  if (!isRecent(gateway, visitor)) return await signInAgain(press, { action: 'unlink', ...key })
  const provider = (await gateway.providers.find(key.provider))?.name ?? key.provider
  const deed: Deed = { kind: 'unlink', provider: { name: provider }, label: found.label }
  const asked = confirmation(press, 'unlink', deed, identityFields(key))
  if (asked) return asked
  const now = gateway.clock()
  const { [key.provider]: _, ...others } = session.signIns
  const event = auditEvent(now, {
    event: 'identity.unlinked',
    actor: `subject:${subjectId}`,
    subjectId,
    provider: key.provider,
    detail: { issuer: key.issuer, upstream_subject: key.upstreamSubject },
  })
  const left = { secretHash: session.secretHash, signIns: others }
  const isGone = await gateway.store.subjects.removeIdentity(subjectId, key, left, event)
  if (!isGone) throw accountPageOutdated()
  return done(press, 'unlinked')
}

/** With what they had begun in this browser, which whoever sits here next must not finish. */
async function signOut(press: Press): Promise<FastifyReply> {
  const { gateway, request, reply, visitor } = press
  const { config, store } = gateway
  const event = signedOut(visitor.subjectId, 'this_browser', gateway.clock())
  await store.browserSessions.signOut(visitor.session, browserHashes(config, request), event)
  clearSession(config, reply)
  return done(press, 'signed-out-elsewhere')
}

async function signOutEverywhere(press: Press): Promise<FastifyReply> {
  const asked = confirmation(press, 'sign-out-everywhere', { kind: 'sign out everywhere' })
  if (asked) return asked
  const { gateway, reply, visitor } = press
  const { subjectId } = visitor
  const event = signedOut(subjectId, 'everywhere', gateway.clock())
  await gateway.store.browserSessions.signOutEverywhere(subjectId, event)
  clearSession(gateway.config, reply)
  return done(press, 'signed-out-elsewhere')
}
