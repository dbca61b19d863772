import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync('docs/endpoints.md', 'utf8')

test('every route is there, and none that is not', () => {
  const sources = globSync('src/endpoints/**/*.ts').filter((file) => !file.includes('/admin/'))
  const routes = sources.flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(/scope\.(get|post|put|patch|delete)(?:<\w+>)?\(\s*'([^']+)'/g),
    ].map(([, method = '', path = '']) => `${method.toUpperCase()} ${path.replace(/:(\w+)/g, '{$1}')}`),
  )
  const [table = ''] = /\| path \|[\s\S]*?\n\n/.exec(page) ?? []
  const shown = [...table.matchAll(/`((?:GET|POST|PUT|PATCH|DELETE) [^`]+)`/g)].map(([, route = '']) => route)
  expect(routes.length).toBeGreaterThan(10)
  const wellKnown = shown.filter((route) => route.startsWith('GET /.well-known/'))
  expect(shown.filter((route) => !wellKnown.includes(route)).toSorted()).toEqual(routes.toSorted())
  expect(wellKnown).toHaveLength(3)
})
