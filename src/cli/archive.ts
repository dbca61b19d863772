import { beginChains, endChains } from '../audit/chains.ts'
import { auditEvent, type EventFacts } from '../audit/event.ts'
import { findAuditKey } from '../audit/key.ts'
import { type Fault, verifyRecord } from '../audit/verify.ts'
import { loadConfig } from '../config/config.ts'
import { isUnprovenDatabase, unprovenDatabase } from '../config/database.ts'
import { presentSecrets } from '../config/generated-secrets.ts'
import { systemClock } from '../lib/clock.ts'
import { createSealer, type Sealer } from '../lib/seal.ts'
import { archiveFile, writeArchiveFile } from '../storage/archive/file.ts'
import {
  type ArchiveRow,
  type ArchiveTable,
  archiveOf,
  type ReadArchive,
  type RowCounts,
  readArchive,
  type Snapshot,
} from '../storage/archive/format.ts'
import { type Restored, settleRestored } from '../storage/archive/restored.ts'
import { openSnapshot } from '../storage/archive/snapshot.ts'
import { completeDatabase, importArchive } from '../storage/archive/target.ts'
import { type Database, databaseAddress, openDatabase } from '../storage/database.ts'
import { verifyMasterKeys } from '../storage/key-check.ts'
import type { StoredCheck } from '../storage/key-checks.ts'
import { createStore } from '../storage/store.ts'
import { AdminApiError } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { columns } from './show.ts'
import { readText, type Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

async function backup({ argument, terminal }: Call): Promise<Answer> {
  const config = loadConfig(terminal.env, terminal.readFile)
  const snapshot = await openSnapshot(config.databaseUrl, 'shared')
  try {
    const path = argument('FILE')
    const { rows, sha256 } = await writeArchiveFile(path, archiveOf(snapshot, systemClock()))
    const text = [
      countsOf(rows),
      `${path} has all of it, and was read back. It opens with the master keys alone: keep them, elsewhere.`,
    ].join('\n')
    return { text, json: { file: path, rows, sha256 } }
  } finally {
    await snapshot.close()
  }
}

async function restore(call: Call): Promise<Answer> {
  const { config, sealer } = openedWith(call.terminal)
  const path = call.argument('FILE')
  // Once to its end before anything is written, since only there it shows whether it is whole.
  const checks: StoredCheck[] = []
  const checked = await readArchive(archiveFile(path), {
    async rows(table, rows) {
      if (table.name === keyChecks) checks.push(...rows.map((row) => checkIn(table, row)))
    },
  })
  await verifyMasterKeys(checks, sealer)
  const imported = await importArchive(config.databaseUrl, archiveFile(path))
  if (imported.sha256 !== checked.sha256) throw new AdminApiError(`${path} was changed while it was read`)
  const takenAt = imported.header.created_at
  const sessions = call.isSet('end-sessions') ? 'end' : 'keep'
  const faults = await settle(config.databaseUrl, sealer, {
    facts: { event: 'database.restored', detail: { taken_at: takenAt, sessions } },
    restored: { takenAt, sessions, refreshGrace: config.lifetimes.refresh_grace },
  })
  await completeDatabase(config.databaseUrl)
  return broughtAnswer('restored', imported, faults, [
    `It is as it was ${new Date(takenAt * 1000).toISOString()}: what was revoked since is not.`,
  ])
}

async function move(call: Call): Promise<Answer> {
  const { config, sealer } = openedWith(call.terminal)
  const to = targetOf(call)
  if (isUnprovenDatabase(to) && !config.allowUnprovenDatabase)
    throw new UsageError(`--to: ${unprovenDatabase}`)
  if (to === config.databaseUrl) throw new UsageError('--to is the database it would be moved from')
  const kinds = { from: databaseAddress(config.databaseUrl).kind, to: databaseAddress(to).kind }
  const source = await openSnapshot(config.databaseUrl, call.isSet('stopped') ? 'stopped' : 'alone')
  try {
    await verifyMasterKeys(await checksOf(source), sealer)
    const imported = await importArchive(to, archiveOf(source, systemClock()))
    const faults = await settle(to, sealer, { facts: { event: 'database.moved', detail: kinds } })
    const letGo = await source.markMoved()
    await completeDatabase(to)
    await letGo()
    return broughtAnswer('moved', imported, faults, [
      'Set COATCHECK_DATABASE_URL to the new database, with the same master keys, and start the gateways.',
      'The old one keeps what it has, and no gateway starts on it or writes to it any more.',
    ])
  } finally {
    await source.close()
  }
}

const keyChecks = 'key_checks'

function checkIn({ columns: all }: ArchiveTable, row: ArchiveRow): StoredCheck {
  const value = (name: string) => String(row[all.findIndex((column) => column.name === name)])
  return { masterKeyId: value('master_key_id'), sealedCheck: value('sealed_check') }
}

async function checksOf(snapshot: Snapshot): Promise<StoredCheck[]> {
  const checks: StoredCheck[] = []
  for (const table of snapshot.tables.filter(({ name }) => name === keyChecks)) {
    for await (const rows of snapshot.rows(table)) {
      checks.push(...rows.map((row) => checkIn(table, JSON.parse(row))))
    }
  }
  return checks
}

/** From an option, or a file: it may hold a password. */
function targetOf({ text, terminal }: Call): string {
  const file = text('to-file')
  const url = text('to') ?? (file === undefined ? undefined : readText(terminal, file).trim())
  if (url === undefined) throw new UsageError('--to or --to-file says where')
  try {
    databaseAddress(url)
    return url
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function openedWith({ env, readFile }: Terminal) {
  const config = loadConfig(env, readFile)
  const [first, ...rest] = presentSecrets(config).masterKeys ?? []
  if (!first) throw new AdminApiError('The master key is not here, and without it nothing of this opens')
  return { config, sealer: createSealer([first, ...rest]) }
}

type Settling = { facts: Pick<EventFacts, 'event' | 'detail'>; restored?: Restored }

/** Looks through the record as it arrived, and writes down where it came from. */
async function settle(url: string, sealer: Sealer, settling: Settling): Promise<Fault[]> {
  const database = await openDatabase(url, {
    access: 'complete',
    beforeMigrations: async (checks, isSealedUnder) =>
      void (await verifyMasterKeys(checks, sealer, isSealedUnder)),
  })
  try {
    return await settleIn(database, sealer, settling)
  } finally {
    await database.close()
  }
}

async function settleIn(database: Database, sealer: Sealer, { facts, restored }: Settling): Promise<Fault[]> {
  const store = createStore(database.db, database.tables, database.batch)
  const parts = { store, sealer, clock: systemClock }
  const key = await findAuditKey(parts)
  const { faults } = key ? await verifyRecord({ store, key }) : { faults: [] }
  await beginChains(parts, database)
  if (restored) await settleRestored(database, restored, systemClock())
  await store.auditEvents.create(auditEvent(systemClock(), { ...facts, actor: 'admin:cli' }))
  await endChains(parts, database)
  return faults
}

/** A record that was changed before is brought as it is: it is what there is. But that is said, and exit code 1. */
function broughtAnswer(
  done: 'restored' | 'moved',
  { rows, header }: ReadArchive,
  faults: readonly Fault[],
  words: readonly string[],
): Answer {
  const said =
    faults.length === 0
      ? ['All of it was counted again, and the audit record fits.']
      : [
          'All of it was counted again. But the audit record had been changed before:',
          ...faults.map(faultLine),
        ]
  return {
    text: [countsOf(rows), ...said, ...words].join('\n'),
    json: { [done]: true, taken_at: header.created_at, rows, faults },
    exitCode: faults.length === 0 ? 0 : 1,
  }
}

const faultLine = ({ chain, says }: Fault) => `  ${chain}: ${says}`

function countsOf(rows: RowCounts): string {
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0)
  const counted = Object.entries(rows).filter(([, count]) => count > 0)
  return columns([...counted, ['in all', total]].map(([name, count]) => [`${name}`, `${count}`]))
}

export const archiveCommands: readonly Command[] = [
  {
    name: 'backup',
    arguments: ['FILE'],
    summary: 'write all of the database into a new file, while gateways run',
    options: {},
    examples: ['coatcheck backup coatcheck-monday.gz'],
    run: backup,
  },
  {
    name: 'restore',
    arguments: ['FILE'],
    summary: 'bring a backup into an empty database',
    options: { 'end-sessions': { help: 'sign every client out: something was stolen or revoked since' } },
    examples: ['coatcheck restore coatcheck-monday.gz'],
    run: restore,
  },
  {
    name: 'move',
    arguments: [],
    summary: 'bring all of the database into another, with every gateway stopped',
    options: {
      to: { value: 'URL', help: 'the new database, empty: sqlite:path or postgres://...' },
      'to-file': { value: 'FILE', help: 'a file that holds the URL: it may have a password' },
      stopped: { help: 'connections there are to PostgreSQL are of no gateway' },
    },
    examples: ['coatcheck move --to sqlite:data/new.db', 'coatcheck move --to-file postgres.url'],
    run: move,
  },
]
