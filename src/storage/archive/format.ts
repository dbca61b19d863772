import { createHash } from 'node:crypto'
import { z } from 'zod'
import { getTableColumns, getTableName } from '../drizzle.ts'
import { readMigrations } from '../migrations.ts'
import type { Tables } from '../schema.ts'

/** The archive is not what it should be; in words for a person, and without what it holds. */
export class ArchiveError extends Error {
  override name = 'ArchiveError'
}

const formatName = 'coatcheck archive'

const columnSchema = z.strictObject({
  name: z.string().regex(/^[a-z_]+$/),
  kind: z.enum(['text', 'integer', 'boolean', 'json']),
})
const tableSchema = z.strictObject({
  name: z.string().regex(/^[a-z_]+$/),
  columns: columnSchema.array().min(1),
})
const migrationsSchema = z.strictObject({ tag: z.string(), hash: z.string() }).array()

const headerSchema = z.object({
  format: z.literal(formatName),
  version: z.literal(1),
  created_at: z.int(),
  /** What the database it was read from has had, as each of the two databases spells it. */
  migrations: z.strictObject({ sqlite: migrationsSchema, postgres: migrationsSchema }),
  tables: tableSchema.array(),
})
const trailerSchema = z.strictObject({
  end: z.strictObject({ rows: z.record(z.string(), z.int()), sha256: z.string() }),
})

export type ArchiveTable = z.infer<typeof tableSchema>
export type ArchiveColumn = z.infer<typeof columnSchema>
export type ArchiveHeader = z.infer<typeof headerSchema>
/** How many rows of each table. */
export type RowCounts = Readonly<Record<string, number>>
/** The values of a row in the order of its table's columns, as JSON has them. */
export type ArchiveRow = readonly unknown[]

/** Every table of the schema with its columns, as archives name them. */
export function archiveTables(tables: Tables): ArchiveTable[] {
  return Object.values(tables).map((table) => ({
    name: getTableName(table),
    columns: Object.values(getTableColumns(table)).map(({ name, dataType }) => ({
      name,
      kind: kindOf(dataType),
    })),
  }))
}

function kindOf(dataType: string): ArchiveColumn['kind'] {
  switch (dataType) {
    case 'number':
      return 'integer'
    case 'boolean':
    case 'json':
      return dataType
    default:
      return 'text'
  }
}

/** One state of a database, however long it takes to read it. */
export type Snapshot = {
  tables: readonly ArchiveTable[]
  /** Rows as JSON arrays, some at a time. */
  rows(table: ArchiveTable): AsyncIterable<readonly string[]>
}

/**
 * A database as lines of JSON: a header, the rows table by table, and a trailer with their number and the SHA-256 of
 * everything before it. What is sealed stays sealed.
 */
export async function* archiveOf(snapshot: Snapshot, now: number): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  const chunk = (lines: readonly string[]) => {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    hash.update(bytes)
    return bytes
  }
  const tags = (dialect: 'sqlite' | 'postgres') =>
    readMigrations(dialect).map(({ tag, hash: of }) => ({ tag, hash: of }))
  const header: ArchiveHeader = {
    format: formatName,
    version: 1,
    created_at: now,
    migrations: { sqlite: tags('sqlite'), postgres: tags('postgres') },
    tables: [...snapshot.tables],
  }
  yield chunk([JSON.stringify(header)])
  const rows: Record<string, number> = {}
  for (const table of snapshot.tables) {
    rows[table.name] = 0
    for await (const page of snapshot.rows(table)) {
      rows[table.name] = (rows[table.name] ?? 0) + page.length
      yield chunk(page.map((row) => `["${table.name}",${row.slice(1)}`))
    }
  }
  yield Buffer.from(`${JSON.stringify({ end: { rows, sha256: hash.digest('hex') } })}\n`)
}

/** What is done with an archive while it is read; what it throws ends the reading. */
export type ArchiveVisitor = {
  header?(header: ArchiveHeader): Promise<void>
  rows?(table: ArchiveTable, rows: readonly ArchiveRow[]): Promise<void>
}

export type ReadArchive = { header: ArchiveHeader; rows: RowCounts; sha256: string }

/** Rows that are handed on together. */
const together = 500

/**
 * Reads an archive to its end. Throws `ArchiveError` for one that is cut short, damaged or of another version; that is
 * known at its end only, so whoever writes what is read does so where it can be undone, or reads it twice.
 */
export async function readArchive(
  chunks: AsyncIterable<Uint8Array>,
  visitor: ArchiveVisitor = {},
): Promise<ReadArchive> {
  const hash = createHash('sha256')
  let header: ArchiveHeader | undefined
  let rows: RowReader | undefined
  let end: z.infer<typeof trailerSchema>['end'] | undefined
  for await (const line of linesOf(chunks)) {
    if (end) throw new ArchiveError('the archive goes on after its end')
    const value = parsed(line)
    if (!rows) {
      header = readHeader(value)
      rows = rowReader(header, visitor)
      await visitor.header?.(header)
    } else if (Array.isArray(value)) await rows.read(value)
    else {
      end = readTrailer(value)
      continue
    }
    hash.update(line).update('\n')
  }
  if (!header || !rows || !end) throw new ArchiveError('the archive ends too soon')
  const sha256 = hash.digest('hex')
  if (sha256 !== end.sha256) throw damaged('its content does not have the SHA-256 it ends with')
  checkCounts(rows.counts, end.rows)
  await rows.flush()
  return { header, rows: rows.counts, sha256 }
}

type RowReader = ReturnType<typeof rowReader>

/** Hands rows of one table on together. */
function rowReader({ tables }: ArchiveHeader, visitor: ArchiveVisitor) {
  const counts: Record<string, number> = Object.fromEntries(tables.map(({ name }) => [name, 0]))
  let table: ArchiveTable | undefined
  let page: ArchiveRow[] = []

  async function flush(): Promise<void> {
    if (table && page.length > 0) await visitor.rows?.(table, page)
    page = []
  }

  return {
    counts,
    flush,
    async read([name, ...row]: readonly unknown[]): Promise<void> {
      if (table?.name !== name || page.length === together) await flush()
      table = tables.find((each) => each.name === name)
      if (!table) throw damaged('a row belongs to no table')
      if (row.length !== table.columns.length) throw damaged('a row has another number of columns')
      page.push(row)
      counts[table.name] = (counts[table.name] ?? 0) + 1
    },
  }
}

/** Throws `ArchiveError` for the first table that has another number of rows than it should. */
export function checkCounts(found: RowCounts, wanted: RowCounts): void {
  const names = new Set([...Object.keys(found), ...Object.keys(wanted)])
  for (const name of names) {
    if (found[name] !== wanted[name]) {
      throw new ArchiveError(`of ${wanted[name] ?? 0} rows of ${name}, ${found[name] ?? 0} are there`)
    }
  }
}

const damaged = (how: string) => new ArchiveError(`the archive is damaged: ${how}`)

/** Longer than any row may be. */
const longestLine = 64 * 1024 * 1024

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk)
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10)) {
      yield bytes.subarray(0, end)
      bytes = bytes.subarray(end + 1)
    }
    if (bytes.length > longestLine) throw damaged('a line has no end')
    rest = bytes
  }
  if (rest.length > 0) throw new ArchiveError('the archive ends too soon')
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch {
    // The parser's own words quote the line.
    throw damaged('a line is not JSON')
  }
}

function readHeader(value: unknown): ArchiveHeader {
  const { data } = headerSchema.safeParse(value)
  if (data) return data
  const isNewer = z.object({ format: z.literal(formatName) }).safeParse(value).success
  throw new ArchiveError(
    isNewer ? 'the archive was written by a newer version of Coatcheck' : 'this is no archive of Coatcheck',
  )
}

function readTrailer(value: unknown) {
  const { data } = trailerSchema.safeParse(value)
  if (!data) throw damaged('a line is neither a row nor the end')
  return data.end
}
