import { isLoopbackHost } from '../../lib/address.ts'

/** Where PostgreSQL is, and how the way there is protected, as its URL says. */
export type PostgresAddress = {
  /** In the order in which they are tried. A socket's folder begins with a slash. */
  hosts: readonly [PostgresHost, ...PostgresHost[]]
  user: string | undefined
  password: string | undefined
  database: string | undefined
  /** What the server gives to its command line; a pooler may refuse it. */
  options: string | undefined
  protection: Protection
  /** Paths of PEM files. */
  files: { ca?: string; cert?: string; key?: string }
}

export type PostgresHost = { host: string; port: number }

/**
 * `none`: plain text. `encrypted`: to whoever answers. `ca`: to somebody who has a certificate of `files.ca`.
 * `full`: and whose certificate has the name of the host.
 */
export type Protection = 'none' | 'encrypted' | 'ca' | 'full'

const modes: Readonly<Record<string, Protection>> = {
  disable: 'none',
  'no-verify': 'encrypted',
  'verify-ca': 'ca',
  // What libpq would not verify is: as node-postgres has it, and never less.
  require: 'full',
  'verify-full': 'full',
}

const parameters = [
  ...['host', 'port', 'user', 'password', 'dbname', 'options', 'target_session_attrs'],
  ...['sslmode', 'sslrootcert', 'sslcert', 'sslkey'],
]

// An @ behind the first slash is taken for that of a password with a slash in it, half of which would be a host.
const form = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^@/?#]*)(?:\/([^@/?#]*))?(?:\?([^#]*))?$/

/** Throws a `TypeError` that says what is wrong, and nothing of what may be secret. Reads no file. */
export function postgresAddress(url: string): PostgresAddress {
  const [, credentials = '', authority = '', path = '', query = ''] = form.exec(url) ?? []
  if (!form.test(url))
    throw wrong('is postgres://user:password@host:port/name, with %2F for a / in a password')
  const said = parametersOf(query)
  const [user = '', password] = credentials.split(/:(.*)/s)
  const hosts = hostsOf(said.get('host') ?? decoded(authority), said.get('port'))
  return {
    hosts,
    user: (said.get('user') ?? decoded(user)) || undefined,
    password: (said.get('password') ?? decoded(password ?? '')) || undefined,
    database: (said.get('dbname') ?? decoded(path)) || undefined,
    options: said.get('options'),
    ...protectionOf(said, hosts),
  }
}

/** Whether anybody on the way could read what goes over it, or stand in for the server. */
export function isUnproven({ hosts, protection }: PostgresAddress): boolean {
  return (protection === 'none' || protection === 'encrypted') && !hosts.every(isHere)
}

const isHere = ({ host }: PostgresHost) => host.startsWith('/') || isLoopbackHost(host)

function parametersOf(query: string): Map<string, string> {
  const said = new Map(new URLSearchParams(query))
  for (const name of said.keys()) {
    if (!parameters.includes(name)) throw wrong(`takes ${parameters.join(', ')}, and nothing else`)
  }
  // Writes go to a primary in any case, and reads with them.
  const wanted = said.get('target_session_attrs') ?? 'primary'
  if (!['primary', 'read-write', 'any'].includes(wanted)) {
    throw wrong('has target_session_attrs=read-write, or none: a standby would answer with what was')
  }
  return said
}

function hostsOf(names: string, ports: string | undefined): PostgresAddress['hosts'] {
  const ofPorts = ports?.split(',') ?? []
  const [first, ...rest] = names.split(',').map((name, index): PostgresHost => {
    const port = ofPorts[index] ?? ofPorts[0]
    if (name.startsWith('/')) return { host: name, port: portOf(port) }
    const [, bracketed, plain, own] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(name) ?? []
    const host = bracketed ?? plain
    if (host === undefined)
      throw wrong('has hosts such as db.example:5432 or [::1]:5432, with commas between')
    return { host: host === '' ? 'localhost' : host, port: portOf(own ?? port) }
  })
  if (!first) throw wrong('names a host')
  return [first, ...rest]
}

function portOf(said: string | undefined): number {
  const port = Number(said || 5432)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw wrong('has a port that is none')
  return port
}

function protectionOf(said: ReadonlyMap<string, string>, hosts: readonly PostgresHost[]) {
  const mode = said.get('sslmode') ?? (hosts.every(isHere) ? 'disable' : 'verify-full')
  const protection = modes[mode]
  if (!protection) throw wrong(`has sslmode=${Object.keys(modes).join(', ')}; others fall back to plain text`)
  const [ca, cert, key] = [said.get('sslrootcert'), said.get('sslcert'), said.get('sslkey')]
  // libpq's word for the authorities that the machine trusts.
  const own = ca === 'system' ? undefined : ca
  if (protection === 'ca' && !own) throw wrong('with sslmode=verify-ca names the authority: sslrootcert=file')
  if (protection === 'encrypted' && ca) throw wrong('with sslrootcert verifies: sslmode=verify-full')
  if ((cert === undefined) !== (key === undefined)) throw wrong('has sslcert and sslkey, or neither')
  if (protection === 'none' && (ca || cert)) throw wrong('has certificates, and sslmode=disable or none')
  const files = { ...(own && { ca: own }), ...(cert && { cert }), ...(key && { key }) }
  return { protection, files }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw wrong('has a % that begins no character: write it as %25')
  }
}

const wrong = (says: string) => new TypeError(`a PostgreSQL URL ${says}`)
