import { chainsOf, type SignedHeads, signedHeads, signedHeadsSchema } from '../audit/heads.ts'
import { findAuditKey } from '../audit/key.ts'
import { type Fault, verifyRecord } from '../audit/verify.ts'
import { systemClock } from '../lib/clock.ts'
import type { AuditEvent } from '../storage/audit-events.ts'
import type { Store } from '../storage/store.ts'
import { AdminApiError } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { withVault } from './offline.ts'
import { readBody, type Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

type AuditRecord = { store: Store; key: Uint8Array }

/** The record as it stands in the database, without a gateway: it is looked at where one may not be believed. */
async function withRecord<Value>(
  terminal: Terminal,
  look: (record: AuditRecord) => Promise<Value>,
): Promise<Value> {
  return await withVault(terminal, async ({ store, sealer }) => {
    const key = await findAuditKey({ store, sealer })
    if (!key)
      throw new AdminApiError('The database has no audit key: no gateway ever ran on it, or it was taken out')
    return await look({ store, key })
  })
}

function headsFrom({ text, terminal }: Call): SignedHeads | undefined {
  const path = text('heads')
  if (path === undefined) return undefined
  const { data } = signedHeadsSchema.safeParse(readBody(terminal, path))
  if (!data) throw new UsageError(`${path} holds no heads: coatcheck audit heads writes them`)
  return data
}

async function verify(call: Call): Promise<Answer> {
  const heads = headsFrom(call)
  const { chains, rows, faults } = await withRecord(
    call.terminal,
    async (record) => await verifyRecord(record, heads),
  )
  const counted = `${rows} ${rows === 1 ? 'row' : 'rows'} in ${chains} ${chains === 1 ? 'chain' : 'chains'}`
  const against = heads
    ? `, and nothing is missing that was there ${new Date(heads.at * 1000).toISOString()}`
    : '. Only heads that were kept elsewhere show whether its end was cut off: --heads FILE'
  const text =
    faults.length === 0
      ? `The record is as it was written: ${counted}${against}`
      : [`The record was changed. Of ${counted} looked at, this is wrong:`, ...faults.map(lineOf)].join('\n')
  return {
    text,
    json: { ok: faults.length === 0, chains, rows, faults },
    exitCode: faults.length === 0 ? 0 : 1,
  }
}

const lineOf = ({ chain, says, id }: Fault) =>
  `  ${chain === '' ? 'the file of heads' : chain}: ${says}${id === undefined ? '' : ` (${id})`}`

/** Rows in memory at once. */
const page = 1_000

/** Chain by chain, with what retention took of each. */
export async function exportDatabase({ terminal }: Pick<Call, 'terminal'>): Promise<Answer> {
  await withRecord(terminal, async ({ store, key }) => {
    // First, so that every row they name is among those that follow, though a gateway writes on.
    await terminal.write(`${JSON.stringify({ heads: await signedHeads(store, key, systemClock()) })}\n`)
    for await (const chain of chainsOf(store.auditChains)) {
      const cut = await store.auditChains.findCut(chain)
      if (cut) await terminal.write(`${JSON.stringify({ cut })}\n`)
      let last = cut?.seq ?? 0
      for (;;) {
        const rows = await store.auditChains.rows(chain, last, page)
        await terminal.write(rows.map((row) => `${JSON.stringify(onTheWire(row))}\n`).join(''))
        last = rows.at(-1)?.seq ?? last
        if (rows.length < page) break
      }
    }
  })
  return { text: '' }
}

function onTheWire({ chain, seq, mac, id, at, event, actor, outcome, provider, detail, ...row }: AuditEvent) {
  const { subjectId, clientId, resourceId, tsidHash } = row
  return {
    chain,
    seq,
    id,
    at,
    event,
    actor,
    outcome,
    subject_id: subjectId,
    client_id: clientId,
    resource_id: resourceId,
    provider,
    tsid_hash: tsidHash,
    detail,
    mac,
  }
}

export const auditRecordCommands: readonly Command[] = [
  {
    name: 'audit verify',
    arguments: [],
    summary: 'whether the audit record in the database is as it was written',
    options: { heads: { value: 'FILE', help: 'what audit heads once told: shows a cut end as well' } },
    examples: ['coatcheck audit verify --heads heads.json'],
    run: verify,
  },
]
