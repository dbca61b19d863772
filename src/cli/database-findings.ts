import type { DatabaseView } from '../endpoints/admin/diagnosis.ts'
import { oldestVersion } from '../storage/postgres/fitness.ts'
import { about, type Finding } from './finding.ts'

const mebibyte = 1024 ** 2
/** Free bytes below which a database may stop any moment, and below which somebody should see to it. */
const scarce = { wrong: 64 * mebibyte, note: 1024 * mebibyte }
/** The share of a limit from which on it is nearly used up. */
const nearly = 0.8

/** `gateway`: of the connection that serves people; `file`: of one that only looks, whose own settings mean nothing. */
export function databaseFindings(view: DatabaseView, seenBy: 'gateway' | 'file'): Finding[] {
  return view.kind === 'sqlite' ? sqliteFindings(view, seenBy) : postgresFindings(view)
}

type Sqlite = Extract<DatabaseView, { kind: 'sqlite' }>

function sqliteFindings(view: Sqlite, seenBy: 'gateway' | 'file'): Finding[] {
  const { ok, wrong, note } = about('database')
  if (view.path === ':memory:') {
    const advice = 'Name a file in COATCHECK_DATABASE_URL: sqlite:data/coatcheck.db'
    return [note('it is in memory: all of it is gone when the gateway stops', advice)]
  }
  const bug = 'The gateway sets it itself whenever it opens the file: report this as a bug.'
  const sets =
    seenBy === 'gateway' ? `; synchronous ${view.synchronous}, foreign keys ${onOff(view.foreign_keys)}` : ''
  const { free_bytes: free } = view
  return [
    ok(
      `SQLite ${view.version}, ${sizeOf(view.bytes)} at ${view.path}; journal ${view.journal_mode}, pages of ${view.page_size}${sets}`,
    ),
    ...(view.journal_mode === 'wal'
      ? []
      : [
          wrong(
            `its journal is ${view.journal_mode} and not WAL, so readers and writers block one another`,
            'Put the file on a disk of this machine (WAL does not work over a network), and start the gateway again.',
          ),
        ]),
    ...(seenBy === 'file' || ['full', 'extra'].includes(view.synchronous)
      ? []
      : [wrong(`synchronous is ${view.synchronous}: what was answered is lost when the power fails`, bug)]),
    ...(seenBy === 'file' || view.foreign_keys
      ? []
      : [wrong('foreign keys are off: rows may be left without their parent', bug)]),
    ...(seenBy === 'file' || view.secure_delete
      ? []
      : [wrong('secure_delete is off: what is deleted stays readable in the file', bug)]),
    ...(view.page_size >= 8192
      ? []
      : [
          note(
            `its pages have ${view.page_size} bytes, too few for a row with sealed tokens: it is slower than need be`,
            `Stop the gateway, then: sqlite3 ${view.path} "PRAGMA journal_mode=DELETE; PRAGMA page_size=8192; VACUUM;"`,
          ),
        ]),
    ...(free === undefined || free >= scarce.note
      ? []
      : [
          (free < scarce.wrong ? wrong : note)(
            `its disk has ${sizeOf(free)} left; a full one answers 503`,
            'Make room there, or move the database to a larger disk.',
          ),
        ]),
    ...view.exposed.map((path) => note(`others on this machine may read ${path}`, `chmod 600 ${path}`)),
  ]
}

function postgresFindings(view: Extract<DatabaseView, { kind: 'postgres' }>): Finding[] {
  const { ok, wrong, note } = about('database')
  const { pool, server } = view
  const gateways = Math.max(1, server.gateways)
  const wanted = gateways * pool.most
  return [
    ok(
      `PostgreSQL ${view.version}, ${sizeOf(view.bytes)}; synchronous_commit ${view.synchronous_commit}, ${view.isolation}; connections ${pool.open} of ${pool.most}`,
    ),
    ...(Number.parseInt(view.version, 10) < oldestVersion
      ? [wrong(`version ${oldestVersion} is the oldest that will do`, 'Upgrade the server.')]
      : []),
    ...(view.synchronous_commit === 'off'
      ? [
          wrong(
            'synchronous_commit is off: the server forgets answered writes when it crashes',
            'ALTER DATABASE ... SET synchronous_commit = on, and start the gateway again.',
          ),
        ]
      : []),
    ...(view.fsync
      ? []
      : [
          wrong(
            'fsync is off: a power failure can destroy all of it',
            'Set fsync = on in postgresql.conf, and reload the server.',
          ),
        ]),
    ...(view.read_only
      ? [
          wrong(
            'the server takes no writes: a standby, or default_transaction_read_only',
            'Name the primary in COATCHECK_DATABASE_URL, or have it take writes.',
          ),
        ]
      : []),
    ...(view.isolation === 'read committed'
      ? []
      : [
          note(
            `its isolation is ${view.isolation}: more requests have to give way and be tried again`,
            "ALTER DATABASE ... SET default_transaction_isolation = 'read committed'.",
          ),
        ]),
    ...(view.transport === 'plain'
      ? [
          note(
            'what goes to the server is not encrypted on its way',
            'Set sslmode=verify-full in COATCHECK_DATABASE_URL, unless the network between is yours alone.',
          ),
        ]
      : []),
    ...(pool.waiting > 0 && pool.open >= pool.most
      ? [
          note(
            `all ${pool.most} connections are busy and ${pool.waiting} requests wait`,
            'See whether the server is slow; more processes of the gateway have more connections.',
          ),
        ]
      : []),
    ...(wanted + server.others <= server.most
      ? []
      : [
          note(
            `${gateways === 1 ? 'one gateway' : `${gateways} gateways`} may want ${wanted} connections beside ${server.others} of others, and the server has ${server.most}`,
            'Lower COATCHECK_DATABASE_CONNECTIONS, raise max_connections, or put a pooler before the server.',
          ),
        ]),
    ...(server.open >= nearly * server.most
      ? [
          note(
            `${server.open} of the server’s ${server.most} connections are taken, by everybody together`,
            'Raise max_connections, or put a pooler before the server.',
          ),
        ]
      : []),
  ]
}

export function sizeOf(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** step
  return `${step > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[step]}`
}

const onOff = (value: boolean) => (value ? 'on' : 'off')
