import Database from 'better-sqlite3'

// For the control run of a power cut: a gateway whose commits are not synced.

const { pragma } = Database.prototype

Database.prototype.pragma = function (this: Database.Database, source, options) {
  return pragma.call(this, source === 'synchronous = FULL' ? 'synchronous = NORMAL' : source, options)
}
