import { expect, test } from 'vitest'
import { runSuite } from './suite.ts'

test('the public conformance suite passes for the newest revision of the specification', async () => {
  const outcomes = await runSuite(['2026-07-28'])
  expect(outcomes.map(({ check, status }) => [check, status])).toEqual([
    ['authorization-code-grant', 'SUCCESS'],
    ['authorization-server-metadata', 'SUCCESS'],
    ['authorization-server-metadata-cimd', 'SUCCESS'],
  ])
})
