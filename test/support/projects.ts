import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/*
 * Which test files run on which database. A file that starts a gateway runs twice, on SQLite and on PostgreSQL; one
 * that starts none runs once, beside those on SQLite. Whatever is otherwise stands here, with its reason.
 */

const folders = ['test', 'sdk/test']

/** What starts a gateway; whoever imports one of these, or imports who does, starts one, too. */
const starters = ['gateway', 'admin-gateway', 'child-gateway', 'database'].map(
  (name) => `test/support/${name}.ts`,
)

const others = 'how a program of somebody else behaves before a gateway, and each takes seconds to start'
const written = 'whether what is written down is what happens'

export const sqliteAlone: Record<string, string> = {
  'test/cli/doctor.test.ts':
    'the server of the tests does not survive a power cut, and doctor says so wherever it looks',
  'test/hardening/lost-file.test.ts': 'a database file is taken away; a server has no such file',
  'test/storage/sqlite.test.ts': 'what the storage promises, and what is SQLite’s own',
  'test/real-clients/inspector.test.ts': others,
  'test/real-clients/mcp-auth.test.ts': others,
  'test/real-clients/mcp-remote.test.ts': others,
  'test/real-clients/other-guards.test.ts': others,
  'test/real-clients/sdks.test.ts': others,
  'test/conformance/suite.test.ts': others,
  'test/examples/mcp-server.test.ts': others,
  'test/flow/chromium.test.ts': 'what a browser does with the pages, whatever is behind them',
  'test/tester/gateway.test.ts': 'what a gateway finds at MCP servers, good and bad',
  'test/docs/compatibility.test.ts': written,
  'test/docs/configuration.test.ts': written,
  'test/docs/guides.test.ts': written,
  'test/torture/model.test.ts': 'a model, and no gateway',
}

export const postgresAlone: Record<string, string> = {
  'test/storage/postgres.test.ts': 'what the storage promises, and what is PostgreSQL’s own',
  'test/storage/postgres-pooler.test.ts': 'has a pooler between',
  'test/storage/postgres-tls.test.ts': 'has a server of its own, which shows certificates',
  'test/flow/postgres-faults.test.ts': 'has a server and a pooler of its own, and breaks them',
  'test/archive/archive.test.ts': 'moves from SQLite to PostgreSQL and back, and so has both',
}

export function filesOn(database: 'sqlite' | 'postgres'): string[] {
  const files = sources()
  const tests = [...files.keys()].filter((file) => file.endsWith('.test.ts'))
  if (database === 'sqlite') return tests.filter((file) => !(file in postgresAlone))
  return tests.filter(
    (file) => file in postgresAlone || (!(file in sqliteAlone) && startsGateway(file, files)),
  )
}

/** Every source of the tests, by its path, and what of them it imports; types start nothing. */
function sources(): Map<string, string[]> {
  const found = folders.flatMap((folder) => globSync(`${folder}/**/*.ts`))
  return new Map(
    found.map((file) => {
      const imports = readFileSync(file, 'utf8').matchAll(/import (?!type )[^']+'(\.[^']+\.ts)'/g)
      return [file, [...imports].map(([, path = '']) => join(file, '..', path))]
    }),
  )
}

function startsGateway(file: string, files: Map<string, string[]>, seen = new Set<string>()): boolean {
  if (starters.includes(file)) return true
  if (seen.has(file)) return false
  seen.add(file)
  return (files.get(file) ?? []).some((imported) => startsGateway(imported, files, seen))
}
