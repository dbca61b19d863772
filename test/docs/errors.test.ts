import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exchangeErrors } from '../../src/grants/exchange-error.ts'
import { retrievalErrors } from '../../src/grants/retrieval-error.ts'
import { errorText, type PageError } from '../../src/pages/error-text.ts'

const page = readFileSync('docs/errors.md', 'utf8')
const sources = globSync('src/**/*.ts').map((file) => readFileSync(file, 'utf8'))

/** The part of the page under a heading of the second level. */
const part = (heading: string) => page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''

test('every retrieval error stands there, in their order, with its statuses and who must act', () => {
  const rows = [
    ...part('Token retrieval').matchAll(/^\| `(\w+)` \| (\d{3}) \| `(\w+)`(?: \((\d{3})\))? \| (\w+) \|/gm),
  ]
  const shown = rows.map(([, code, rest, error, status = '400', who]) => [
    code,
    { rest: Number(rest), oauth: [error, Number(status)], who },
  ])
  const meant = Object.entries(retrievalErrors).map(([code, { rest, oauth, who }]) => [
    code,
    { rest, oauth: [...oauth], who },
  ])
  expect(shown).toEqual(meant)
})

test('every error of an exchange for another resource stands there, in their order', () => {
  const [, ...rows] = part('Calling another MCP server').matchAll(/^\| `(\w+)` \| `(\w+)` \| (\w+) \|/gm)
  const meant = Object.entries(exchangeErrors).map(([code, { oauth, who }]) => [code, oauth, who])
  expect(rows.map(([, ...cells]) => cells)).toEqual(meant)
})

test('every OAuth error there can be stands there', () => {
  const [union = ''] = /type OAuthErrorCode =[\s\S]*?\n\n/.exec(readFileSync('src/errors.ts', 'utf8')) ?? []
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(10)
  expect(codes.filter((code) => !page.includes(`\`${code}\``))).toEqual([])
})

test('every code of the admin API stands there, with its status', () => {
  const thrown = sources.flatMap((source) =>
    [...source.matchAll(/new Problem\(\s*(\d{3}),\s*'(\w+)'/g)].map(([, status = '', code = '']) => ({
      code,
      status,
    })),
  )
  expect(thrown.length).toBeGreaterThan(10)
  const rows = part('The admin API').split('\n')
  const missing = thrown.filter(
    ({ code, status }) => !rows.some((row) => row.startsWith(`| \`${code}\` | `) && row.includes(status)),
  )
  expect(missing).toEqual([])
})

test('every error page stands there by its title', () => {
  const text = readFileSync('src/pages/error-text.ts', 'utf8')
  const kinds = [...text.matchAll(/\{ kind: '([^']+)'/g)].map(([, kind]) => kind)
  const titles = kinds.map((kind) => {
    const { title } = errorText({ kind, providerName: '(provider)', host: 'example.com' } as PageError)
    return title.replace(/^\(provider\)/, '(the provider)')
  })
  expect(titles.length).toBeGreaterThan(10)
  expect(titles.filter((title) => !part('Pages').includes(`| ${title} |`))).toEqual([])
})
