import { z } from 'zod'
import { type Author, auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import type { SessionsOf } from '../../storage/removals.ts'
import { wantedFlag } from './input.ts'
import type { Ended } from './receipt.ts'

export const disconnectQuery = z.strictObject({
  disconnect: wantedFlag.describe(
    'Whether the connections that no other live session draws on are deleted too, and revoked at their providers',
  ),
})

/**
 * What becomes of the connections of sessions that end. They stay, so that the person's next session needs no trip to
 * the provider, unless an administrator wants them gone; those that another live session draws on stay anyway.
 */
export async function endConnections(
  { store, revocations }: Gateway,
  of: SessionsOf & { subjectId?: string },
  disconnect: boolean | undefined,
  { actor, now }: Author,
): Promise<Pick<Ended, 'connectionsDeleted' | 'carriedOut' | 'kept'>> {
  if (disconnect !== true) {
    return { connectionsDeleted: [], kept: await store.removals.keptConnections(of, now) }
  }
  const { subjectId } = of
  const event = auditEvent(now, {
    event: 'connection.deleted',
    actor,
    ...(subjectId !== undefined && { subjectId }),
    ...('clientId' in of && { clientId: of.clientId }),
    detail: 'grantId' in of ? { token_session: of.grantId } : { client: of.clientId },
  })
  const removed = await store.removals.unusedConnections(of, now, event)
  return {
    connectionsDeleted: removed?.connectionsDeleted ?? [],
    carriedOut: removed ? await revocations.carryOut(event.id) : [],
    kept: await store.removals.keptConnections(of, now),
  }
}
