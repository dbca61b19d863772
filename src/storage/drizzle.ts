import { createRequire } from 'node:module'

/**
 * drizzle, by its CommonJS build. Of its ES modules Node reads and keeps the 180 KB of its `package.json` once for
 * each of several hundred: together 190 MB of memory and a third of a second of every start.
 */
const require = createRequire(import.meta.url)
const drizzle: typeof import('drizzle-orm') = require('drizzle-orm')

export const {
  and,
  asc,
  desc,
  eq,
  exists,
  fillPlaceholders,
  getTableColumns,
  getTableName,
  gt,
  gte,
  inArray,
  is,
  isNotNull,
  isNull,
  lt,
  lte,
  ne,
  not,
  notExists,
  notInArray,
  or,
  Param,
  Placeholder,
  sql,
} = drizzle
export type { SQL } from 'drizzle-orm'

export const forPostgres: typeof import('drizzle-orm/pg-core') = require('drizzle-orm/pg-core')
export const forSqlite: typeof import('drizzle-orm/sqlite-core') = require('drizzle-orm/sqlite-core')

/** Loaded where they are used: a gateway has one database. */
export const overPostgres = () =>
  require('drizzle-orm/node-postgres') as typeof import('drizzle-orm/node-postgres')
export const overSqlite = () =>
  require('drizzle-orm/sqlite-proxy') as typeof import('drizzle-orm/sqlite-proxy')
