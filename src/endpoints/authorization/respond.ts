import type { FastifyReply } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import { buildRedirect } from '../../clients/redirect-uri.ts'
import type { Gateway } from '../../gateway.ts'
import { allowedScopes, isReleasable } from '../../grants/asks.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { accountUrl, issuerHost } from '../../http/shown.ts'
import { newOrderedId } from '../../lib/ordered-id.ts'
import { newId, newSecret, sha256 } from '../../lib/secret.ts'
import { donePage } from '../../pages/done.ts'
import type { Connection } from '../../storage/connections.ts'
import type { AuthorizationRequest, ConnectRequest } from '../../storage/documents.ts'
import type { Grant } from '../../storage/grants.ts'
import { covers, type Provider } from '../../upstream/provider.ts'
import { shownHash } from './consent-memory.ts'
import { connectionFor, type Person, type Plan } from './plan.ts'
import { settledSites } from './site-choice.ts'
import { requireFreshSignIn } from './step-up.ts'

/** The end of an interaction: a code for the client, or a wider session for a connect link. */
export async function respond(gateway: Gateway, reply: FastifyReply, plan: Plan): Promise<FastifyReply> {
  const { request } = plan.interaction
  if (!plan.person) throw new Error('an interaction ends with a person')
  return request.kind === 'authorization'
    ? await respondWithCode(gateway, reply, plan, request, plan.person)
    : await respondConnected(gateway, reply, plan, request)
}

async function respondWithCode(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  request: AuthorizationRequest,
  person: Person,
): Promise<FastifyReply> {
  const now = gateway.clock()
  const { interaction, client, resource, scopes, stepUp } = plan
  if (stepUp) requireFreshSignIn(interaction, stepUp, person)
  const code = newSecret('cc_code_')
  const expiresAt = now + gateway.config.lifetimes.code
  const grant = newGrant(gateway, plan, person, expiresAt, now)
  const connectionIds = connectionsOf(plan, now)
  const siteIds = await settledSites(gateway, plan)
  const completed = await gateway.store.completions.withCode(
    interaction,
    {
      grant,
      connectionIds,
      siteIds,
      code: {
        codeHash: sha256(code),
        grantId: grant.id,
        redirectUri: request.redirectUri,
        codeChallenge: request.codeChallenge,
        createdAt: now,
        expiresAt,
        usedAt: null,
      },
      consent: {
        subjectId: person.subjectId,
        clientId: client.id,
        redirectUri: request.redirectUri,
        resourceId: resource?.id ?? '',
        scopes,
        providerScopes: agreedScopes(plan, connectionIds),
        shownHash: shownHash(plan),
        grantedAt: interaction.consent?.at ?? now,
      },
      ...(stepUp && { stepUp: { id: stepUp.id, authTime: person.authTime } }),
    },
    now,
    auditEvent(now, {
      event: 'grant.created',
      actor: `subject:${person.subjectId}`,
      subjectId: person.subjectId,
      clientId: client.id,
      resourceId: resource?.id,
      tsid: grant.tsid,
      detail: {
        scopes,
        connections: Object.values(connectionIds),
        sites: Object.keys(siteIds).length > 0 ? siteIds : undefined,
        // Absent where a yes of before still counted.
        consented_at: interaction.consent?.at,
        confirmed: stepUp && { tool: stepUp.tool, arguments_digest: `sha256:${stepUp.argumentsHash}` },
      },
    }),
  )
  if (!completed) throw new PageRefusal(400, { kind: 'already used' })
  return seeOther(
    reply,
    buildRedirect(request.redirectUri, { code, state: request.state, iss: gateway.config.issuer }),
  )
}

function newGrant(gateway: Gateway, plan: Plan, person: Person, expiresAt: number, now: number): Grant {
  return {
    id: `grant_${newOrderedId(now)}`,
    tsid: newId('ts_'),
    subjectId: person.subjectId,
    clientId: plan.client.id,
    resourceId: plan.resource?.id ?? null,
    audience: plan.resource?.uri ?? gateway.config.issuer,
    scopes: plan.scopes,
    authTime: person.authTime,
    acr: person.acr ?? null,
    createdAt: now,
    lastUsedAt: now,
    accessEndsAt: null,
    // Until its code is redeemed it lives no longer than the code.
    expiresAt,
    absoluteEndsAt: expiresAt,
    revokedAt: null,
    revokedReason: null,
    parentId: null,
  }
}

/** Exactly the connections this consent covered, by provider. */
function connectionsOf(plan: Plan, now: number): Record<string, string> {
  return Object.fromEntries(
    plan.asks.flatMap((ask) => {
      const id = connectionFor(plan, ask, now)
      return id === undefined ? [] : [[ask.provider.id, id]]
    }),
  )
}

function agreedScopes(plan: Plan, connectionIds: Record<string, string>): Record<string, string[]> {
  const agreed = plan.asks.filter((ask) => connectionIds[ask.provider.id] !== undefined)
  return Object.fromEntries(agreed.map((ask) => [ask.provider.id, ask.scopes]))
}

async function respondConnected(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  request: ConnectRequest,
): Promise<FastifyReply> {
  const now = gateway.clock()
  const { interaction, resource } = plan
  const connectionId = interaction.connected[request.provider]
  const connection = plan.held.find(({ id }) => id === connectionId)
  const provider = plan.asks[0]?.provider
  if (!connection || !resource || !provider) throw new PageRefusal(410, { kind: 'expired' })
  const earlier = await gateway.store.connections.listForGrant(request.grantId)
  const allowed = allowedScopes(resource, provider) ?? []
  const { kept, replaced } = sortedOut({ provider, allowed }, earlier, connection)
  const siteId = (await settledSites(gateway, plan))[provider.id] ?? null
  const isCompleted = await gateway.store.completions.withConnection(
    interaction,
    {
      added: { grantId: request.grantId, connectionId: kept.id, provider: request.provider, siteId },
      replaced: replaced.map(({ id }) => id),
      ticketHash: request.ticketHash,
    },
    now,
    auditEvent(now, {
      event: 'connect_link.completed',
      actor: `subject:${connection.subjectId}`,
      subjectId: connection.subjectId,
      clientId: interaction.clientId,
      resourceId: interaction.resourceId,
      provider: request.provider,
      detail: { connection: connection.id, site: siteId ?? undefined },
    }),
  )
  if (!isCompleted) throw new PageRefusal(400, { kind: 'already used' })
  return sendPage(
    reply,
    donePage({
      outcome: 'connected',
      provider: { name: provider.name },
      mcpServer: { name: resource.document.name },
      account: connection.accountLabel,
      issuerHost: issuerHost(gateway),
      accountUrl: accountUrl(gateway),
    }),
  )
}

/**
 * The same account's narrower or useless connections make room for a new one, which itself makes room for a wider
 * one: a link never takes rights from a session. Another account stays beside it.
 */
function sortedOut(
  { provider, allowed }: { provider: Provider; allowed: readonly string[] },
  earlier: readonly Connection[],
  brought: Connection,
) {
  const others = earlier.filter(({ id, accountId }) => accountId === brought.accountId && id !== brought.id)
  const isOfUse = (other: Connection) => other.status === 'live' && isReleasable(provider, other, allowed)
  const kept =
    others.find((other) => isOfUse(other) && covers(provider, other.scopes, brought.scopes)) ?? brought
  const replaced = others.filter(
    (other) => other !== kept && (!isOfUse(other) || covers(provider, kept.scopes, other.scopes)),
  )
  return { kept, replaced }
}
