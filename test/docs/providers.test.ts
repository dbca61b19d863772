import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { builtInDescriptors } from '../../src/upstream/built-in-descriptors.ts'
import { providerDefinitionSchema } from '../../src/upstream/provider-definition.ts'
import { resolveDescriptor } from '../../src/upstream/resolve-descriptor.ts'

const page = readFileSync('docs/providers.md', 'utf8')
const bodies = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => text)

test.each(bodies)('what the page shows is taken: %s', (text) => {
  const { descriptor, variables, scopes = [] } = providerDefinitionSchema.parse(JSON.parse(text))
  const resolved = resolveDescriptor(descriptor, variables, { allowLoopback: false })
  const { forbidden, catalog } = resolved.scopes
  expect(scopes.filter((scope) => forbidden.includes(scope))).toEqual([])
  // People should read words for what the page suggests to ask them for.
  expect(scopes.filter((scope) => !Object.hasOwn(catalog, scope))).toEqual([])
})

test('every built-in descriptor is named and shown', () => {
  const shown = bodies.map((text) => JSON.parse(text).descriptor).map((each) => each.extends ?? each)
  const missing = [...builtInDescriptors.keys()].filter(
    (id) => !shown.includes(id) || !page.includes(`\`${id}\``),
  )
  expect(missing).toEqual([])
})
