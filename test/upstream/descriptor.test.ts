import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { builtInDescriptors } from '../../src/upstream/built-in-descriptors.ts'
import { descriptorDocumentSchema } from '../../src/upstream/descriptor.ts'
import { DescriptorError, resolveDescriptor } from '../../src/upstream/resolve-descriptor.ts'

const https = { allowLoopback: false }

function faultsOf(work: () => unknown) {
  try {
    work()
  } catch (error) {
    if (error instanceof DescriptorError) return error.errors
    throw error
  }
  return []
}

test('the schema that editors use is the one descriptors are checked with', async () => {
  const generated = z.toJSONSchema(descriptorDocumentSchema, { io: 'input' })
  await expect(`${JSON.stringify(generated, null, 2)}\n`).toMatchFileSnapshot('../../providers/schema.json')
})

test('there is a descriptor for each of these', () => {
  expect([...builtInDescriptors.keys()].sort()).toEqual(['atlassian', 'github', 'github-app', 'google', 'oidc'])
})
