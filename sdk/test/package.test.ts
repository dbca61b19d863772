import { execFile } from 'node:child_process'
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { denials } from '../src/index.ts'

const run = promisify(execFile)
const manifest = JSON.parse(readFileSync('sdk/package.json', 'utf8'))
const sources = globSync('sdk/src/**/*.ts').map((file) => ({ file, text: readFileSync(file, 'utf8') }))

test('it imports jose and itself, and nothing of Node', () => {
  const imported = sources.flatMap(({ text }) =>
    [...text.matchAll(/(?:from|import)\s*\(?\s*'([^.'][^']*)'/g)].map(([, name]) => name),
  )
  expect(new Set(imported)).toEqual(new Set(['jose']))
  expect(Object.keys(manifest.dependencies)).toEqual(['jose'])
  expect(sources.filter(({ text }) => /\b(?:process|Buffer|require)\b[.(]/.test(text))).toEqual([])
})

test('only the clock reads the time', () => {
  const readers = sources.filter(({ text }) => /Date\.now\(\)|new Date\(\)/.test(text))
  expect(readers.map(({ file }) => file)).toEqual(['sdk/src/clock.ts'])
})

test('the README explains every code of a denial, under its name as the anchor', () => {
  const readme = readFileSync('sdk/README.md', 'utf8')
  const explained = [...readme.matchAll(/<a id="(\w+)">/g)].map(([, code]) => code)
  expect(explained.toSorted()).toEqual(Object.keys(denials).toSorted())
})

test('every entry of the package has its source', () => {
  const entries = Object.values<Record<string, string>>(manifest.exports).flatMap((each) =>
    typeof each === 'string' ? [] : [each],
  )
  expect(entries.length).toBeGreaterThan(0)
  for (const entry of entries) {
    const source = entry['coatcheck-source'] ?? ''
    expect(sources.map(({ file }) => file)).toContain(source.replace('./', 'sdk/'))
    expect(entry.default).toBe(source.replace('/src/', '/dist/').replace(/ts$/, 'js'))
    expect(entry.types).toBe(source.replace('/src/', '/dist/').replace(/ts$/, 'd.ts'))
  }
})

/** Buffer stays, because Node's own `Response` needs it. */
const atTheEdge = `
const request = new Request('https://notes.example/mcp')
for (const name of ['process', 'setImmediate', 'clearImmediate']) delete globalThis[name]
const { protect } = await import('@coatcheck/mcp')
const adapters = ['express', 'fastify', 'hono'].map((name) => import('@coatcheck/mcp/' + name))
const names = (await Promise.all(adapters)).flatMap(Object.keys)
const guard = protect({ resource: 'https://notes.example/mcp', issuer: 'https://auth.example' })
const { status } = await guard.check(request)
console.log(JSON.stringify({ names, status }))
`

test('what is built runs without the sources, and without the globals of Node', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-mcp-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const installed = join(folder, 'node_modules/@coatcheck/mcp')
  mkdirSync(installed, { recursive: true })
  cpSync('sdk/package.json', join(installed, 'package.json'))
  symlinkSync(resolve('node_modules/jose'), join(folder, 'node_modules/jose'))
  const tsc = resolve('node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, '-p', 'sdk/tsconfig.build.json', '--outDir', join(installed, 'dist')])
  writeFileSync(join(folder, 'edge.mjs'), atTheEdge)
  const { stdout } = await run(process.execPath, [join(folder, 'edge.mjs')])
  expect(JSON.parse(stdout)).toEqual({ names: ['expressGuard', 'fastifyGuard', 'honoGuard'], status: 401 })
})
