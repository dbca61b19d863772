import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { denials } from '../src/index.ts'

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
