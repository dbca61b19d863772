import { limitsSchema } from '../config/settings.ts'
import type { DatabaseView, DiagnosisView } from '../endpoints/admin/diagnosis.ts'
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
  return [
    ok(
      `PostgreSQL ${view.version}, ${sizeOf(view.bytes)}; synchronous_commit ${view.synchronous_commit}, ${view.isolation}; connections ${pool.open} of ${pool.most}`,
    ),
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
            'Add ?sslmode=verify-full to COATCHECK_DATABASE_URL, unless the network between is yours alone.',
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

export function masterKeyFindings({ master_keys: keys }: Pick<DiagnosisView, 'master_keys'>): Finding[] {
  const { ok, wrong, note } = about('master keys')
  const inWords = (id: string) => ({
    sealing: () => ok(`${id} seals, and is the one this database knows`),
    opening: () => ok(`${id} opens what was sealed before`),
    wrong: () =>
      wrong(
        `${id} is not the key this database was sealed with`,
        'Put the right key into COATCHECK_MASTER_KEYS; nothing sealed opens without it.',
      ),
    missing: () =>
      note(
        `${id} was used here and is not configured: what is still sealed under it does not open`,
        'Add it behind the first in COATCHECK_MASTER_KEYS, unless nothing is sealed under it any more.',
      ),
  })
  return keys.map(({ id, state }) => inWords(id)[state]())
}

export function administratorFindings({ administrators: { token, read, write } }: DiagnosisView): Finding[] {
  const { ok, wrong, note } = about('administrators')
  const named = `by name ${write} who may write, ${read} who may read`
  if (token) return [ok(`the token; ${named}`)]
  const advice =
    'Set COATCHECK_ADMIN_TOKEN to 32 characters or more (openssl rand -base64 32), and start again.'
  return [
    write === 0
      ? wrong('there is no token, and nobody by name may write: nothing can be changed', advice)
      : note(`there is no token for when passwords are lost; ${named}`, advice),
  ]
}

/** Whether the limits for one address mean one person's, seen by how requests arrive. */
export function proxyFindings({ forwarding }: Pick<DiagnosisView, 'forwarding'>, issuer: string): Finding[] {
  const { ok, wrong, note } = about('proxies')
  const { trusted_proxies: trusted, believed, disbelieved, direct, last_disbelieved: peer } = forwarding
  const isPublic = issuer.startsWith('https:')
  const name = 'Name it in COATCHECK_TRUSTED_PROXIES, by address or network, and have it set X-Forwarded-For.'
  if (believed === 0 && disbelieved > 0) {
    const message = `the proxy at ${peer} is not trusted, so everybody is one address and shares each limit of one`
    return [(isPublic ? wrong : note)(message, name)]
  }
  if (isPublic && trusted.length === 0) {
    return [
      wrong(
        'the proxy that speaks https for this gateway is not trusted, so everybody is one address and shares each limit of one',
        name,
      ),
    ]
  }
  if (disbelieved > 0) {
    const message = `${disbelieved} requests named another address from ${peer}, which is not trusted`
    return [
      note(
        message,
        'If that is a proxy of yours, add it to COATCHECK_TRUSTED_PROXIES; else let nobody reach the gateway past the proxy.',
      ),
    ]
  }
  if (isPublic && believed === 0) {
    const message = `none of ${direct} requests said where it came from (X-Forwarded-For)`
    return [note(message, 'Have the proxy set it, or everybody is one address and shares each limit of one.')]
  }
  return [
    ok(
      isPublic
        ? `trusted: ${trusted.join(', ')}; ${believed} requests said where they came from`
        : 'none; people come from this machine',
    ),
  ]
}

export function limitFindings({ limits, usage }: Pick<DiagnosisView, 'limits' | 'usage'>): Finding[] {
  const { ok, wrong, note } = about('limits')
  const defaults: Readonly<Record<string, number>> = limitsSchema.parse({})
  const changed = Object.entries(limits).filter(([name, value]) => defaults[name] !== value)
  const own =
    changed.length === 0 ? 'as they come' : changed.map(([name, value]) => `${name} ${value}`).join(', ')
  const taken = usage
    .filter(({ used }) => used > 0)
    .map(({ limit, used, most }) => `${limit} ${used} of ${most}`)
  return [
    ok(`${own}; taken just now: ${taken.join(', ') || 'nothing'}`),
    ...usage
      .filter(({ used, most }) => used >= nearly * most)
      .map(({ limit, used, most }) =>
        used >= most
          ? wrong(
              `${limit} is used up (${most}): whoever comes next has to wait`,
              `See in the log who comes so often; if they are welcome, raise limits.${limit}.`,
            )
          : note(
              `${limit} is nearly used up: ${used} of ${most}`,
              `See in the log who comes so often; if they are welcome, raise limits.${limit}.`,
            ),
      ),
  ]
}

export function sizeOf(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** step
  return `${step > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[step]}`
}

const onOff = (value: boolean) => (value ? 'on' : 'off')
