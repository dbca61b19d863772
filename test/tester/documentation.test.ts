import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mcpServerRules, serverRules } from '../../src/tester/test-url.ts'
import { brokenMcpServers } from './broken-mcp-servers.ts'
import { brokenServers, brokenToClients } from './broken-servers.ts'
import { moreVariants, variants } from './mcp-auth-variants.ts'

const rules = [...serverRules, ...mcpServerRules]

/** How bad each code has been in the tables of what is broken. */
function seenOf(code: string): string[] {
  const tables = [...brokenServers, ...brokenToClients, ...brokenMcpServers, ...variants, ...moreVariants]
  const faults = new Set(tables.flatMap(([, , found]) => found))
  return ['error', 'warning'].filter((kind) => faults.has(`${kind} ${code}`))
}

/** `https://www.rfc-editor.org/rfc/rfc8414#section-2` as the page calls it. */
function nameOf(spec: string): string {
  const [, rfc, section] = /rfc(\d+)#section-(.+)$/.exec(spec) ?? []
  if (rfc !== undefined) return `RFC ${rfc}, ${section}`
  if (spec.startsWith('https://openid.net/')) return 'OpenID Connect Discovery'
  return spec.includes('modelcontextprotocol.io') ? 'MCP' : 'Client ID Metadata Document'
}

test('docs/tester.md has every code, how bad it has been seen to be, its question and where it is written', () => {
  const [, tables = ''] = readFileSync('docs/tester.md', 'utf8').split('## Authorization servers\n')
  const shown = tables.split('\n').filter((line) => /^\| `\w+`/.test(line))
  expect(shown).toEqual(
    rules.map(({ code, otherwise, asks, spec }) => {
      const codes = otherwise === undefined ? `\`${code}\`` : `\`${code}\`, else \`${otherwise}\``
      return `| ${codes} | ${seenOf(otherwise ?? code).join(', ')} | ${asks} | [${nameOf(spec)}](${spec}) |`
    }),
  )
})

test('every question has been answered with no, and no two have one code', () => {
  expect(rules.filter(({ code, otherwise = code }) => seenOf(otherwise).length === 0)).toEqual([])
  const codes = rules.flatMap(({ code, otherwise }) => (otherwise === undefined ? [code] : [code, otherwise]))
  expect(codes.length).toBe(new Set(codes).size)
})
