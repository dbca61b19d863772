import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

// Left never imports right; folders that share a rank never import each other.
const ranks = [
  ['lib'],
  // What tests servers of others knows lib, the SDK and nothing of ours.
  ['errors', 'tester'],
  ['storage'],
  ['audit'],
  ['upstream', 'clients', 'tokens', 'keys'],
  ['policy'],
  ['grants'],
  ['config'],
  ['limits'],
  ['metrics'],
  ['gateway'],
  ['pages'],
  ['http'],
  ['endpoints'],
  ['app', 'chores', 'ending'],
  ['main'],
  ['workers'],
  ['cli'],
]

const rankOf = (room: string) => ranks.findIndex((names) => names.includes(room))
const roomOf = (path: string) => path.split('/')[1]?.replace(/\.ts$/, '') ?? ''
const files = globSync('src/**/*.ts')

function importsOf(file: string): string[] {
  const source = readFileSync(file, 'utf8')
  const found = source.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)
  return [...found].map((match) => normalize(join(dirname(file), match[1] ?? '')))
}

test('every folder of src has its place in the order of imports', () => {
  expect(files.map(roomOf).filter((room) => rankOf(room) < 0)).toEqual([])
})

test('imports go one way', () => {
  const upward = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => target.startsWith('src/') && roomOf(target) !== roomOf(file))
      .filter((target) => rankOf(roomOf(target)) >= rankOf(roomOf(file)))
      .map((target) => `${file} -> ${target}`),
  )
  expect(upward).toEqual([])
})

test('endpoints do not import endpoints', () => {
  const endpointOf = (path: string) => path.split('/')[2]?.replace(/\.ts$/, '')
  const between = files
    .filter((file) => roomOf(file) === 'endpoints')
    .flatMap((file) =>
      importsOf(file)
        .filter((target) => roomOf(target) === 'endpoints' && endpointOf(target) !== endpointOf(file))
        .map((target) => `${file} -> ${target}`),
    )
  expect(between).toEqual([])
})

test('only the clock reads the time', () => {
  const readers = files.filter((file) => /Date\.now\(\)|new Date\(\)/.test(readFileSync(file, 'utf8')))
  expect(readers).toEqual(['src/lib/clock.ts'])
})

test('no provider is named in code', () => {
  const named = files.filter((file) => /['"](github|google|atlassian)['"]/.test(readFileSync(file, 'utf8')))
  expect(named).toEqual([])
})
