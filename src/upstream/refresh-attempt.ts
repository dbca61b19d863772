import type { Connection } from '../storage/connections.ts'
import type { RefreshLease } from '../storage/refresh-leases.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { refreshTokenPlace } from './connection-record.ts'
import { answerPlace, parseRaw, type RawAnswer } from './raw-answer.ts'
import { type ConclusionParts, createConclusions } from './refresh-conclusion.ts'
import { type Attempt, type AttemptSeen, nameOf, reportOf, type Tried } from './refresh-outcome.ts'
import type { RefreshPlan } from './refresh-plan.ts'
import type { RefreshTokens } from './tokens.ts'

export type AttemptParts = ConclusionParts & {
  refreshTokens: RefreshTokens
  /** Seconds a provider may take to answer a refresh, whether anybody still waits for it or not. */
  refreshDeadline: number
  /** Told of every attempt, when it has ended. */
  observe?: (attempt: AttemptSeen) => void
}

export type Attempts = ReturnType<typeof createAttempts>

/**
 * What is done by whoever has the lease of a connection. What the provider answers is stored as it came before it is
 * read, and nothing here is written by whoever has been overtaken.
 */
export function createAttempts(parts: AttemptParts) {
  const { leases, sealer, clock } = parts
  const { conclude, bury, outcomeOf, ...conclusions } = createConclusions(parts)

  return {
    async carryOut(attempt: Attempt): Promise<Tried> {
      const startedAt = performance.now()
      let tried: Tried | undefined
      try {
        tried = await begin(attempt)
        return tried
      } finally {
        attempt.patience.end()
        const seconds = (performance.now() - startedAt) / 1000
        parts.observe?.({ provider: attempt.provider.id, outcome: nameOf(tried), seconds })
      }
    },

    async open({ id, sealedRefreshToken }: Connection): Promise<string> {
      if (sealedRefreshToken === null) throw new Error('nothing to refresh with')
      return await sealer.open(sealedRefreshToken, refreshTokenPlace(id))
    },

    ...conclusions,
  }

  async function begin(attempt: Attempt): Promise<Tried> {
    switch (attempt.plan.step) {
      case 'send':
        return await send(attempt)
      case 'read':
        return await read(attempt, attempt.plan)
      case 'give up':
        return await bury(attempt, 'refresh_interrupted')
    }
  }

  async function send(attempt: Attempt): Promise<Tried> {
    const { provider, connection, lease, patience, unknown } = attempt
    let isStored = false
    let sentAt: number | undefined
    let isLate = false
    const answer = await parts.refreshTokens(provider, {
      ...sentFor(connection, attempt.refreshToken),
      deadline: parts.refreshDeadline,
      signal: patience.signal,
      mayAsk() {
        sentAt = clock()
        isLate = sentAt >= attempt.sendBefore
        if (!isLate) patience.begin()
        return !isLate
      },
      onAnswer: async (raw) => {
        patience.end()
        isStored = await keepAnswer(lease, raw)
      },
    })
    if (isLate) {
      // It was not sent. Whoever was held up so long looks again: somebody else may be at it, or be done.
      await leases.conclude(lease, { unknown }, outcomeOf(attempt, 'not_sent'))
      return 'held elsewhere'
    }
    attempt.report = reportOf(answer)
    return await conclude(attempt, answer, {
      // For all anybody knows, what came late was made when it was asked for.
      at: (patience.hasRunOut() ? sentAt : undefined) ?? clock(),
      isStored,
      giveBack: (held, rest, event) => leases.conclude(held, { rest, unknown }, event),
    })
  }

  async function read(
    attempt: Attempt,
    { sealedAnswer, answeredAt }: Extract<RefreshPlan, { step: 'read' }>,
  ): Promise<Tried> {
    const { connection } = attempt
    const raw = parseRaw(await sealer.open(sealedAnswer, answerPlace(connection.id)))
    let wasRead = false
    const answer = await parts.refreshTokens(attempt.provider, {
      ...sentFor(connection, attempt.refreshToken),
      takeAnswer: () => {
        wasRead = true
        return raw
      },
    })
    return await conclude(attempt, answer, {
      at: answeredAt,
      isStored: true,
      // A provider whose metadata is out of reach says nothing about an answer it gave before.
      giveBack: (held, rest, event) =>
        wasRead ? leases.conclude(held, { rest }, event) : leases.postpone(held, rest),
    })
  }

  /** Whether it is stored. If not, the tokens in it may be in a moment. */
  async function keepAnswer(lease: RefreshLease, raw: RawAnswer): Promise<boolean> {
    try {
      const sealed = await sealer.seal(JSON.stringify(raw), answerPlace(lease.connectionId))
      return await leases.keepAnswer(lease, sealed, clock())
    } catch (error) {
      if (error instanceof StorageUnavailableError) return false
      throw error
    }
  }
}

function sentFor({ scopes, tokenEndpoint, upstreamSubject }: Connection, refreshToken: string) {
  return { refreshToken, scopes, tokenEndpoint, upstreamSubject }
}
