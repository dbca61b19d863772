import { expect, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { startTestGateway } from '../support/gateway.ts'

test('whoever is slow with headers or a body is hung up on within 15 seconds', async () => {
  const started = await startTestGateway()
  const app = await buildApp(started.running().gateway, { level: 'silent' })
  try {
    // Node ends bodies by the longer of the two. How often it looks is seen by `npm run torture -- --only slow-clients`.
    const { headersTimeout, requestTimeout } = app.server
    expect(headersTimeout).toBeGreaterThan(0)
    expect(requestTimeout).toBeGreaterThan(headersTimeout)
    expect(requestTimeout).toBeLessThan(15_000)
  } finally {
    await app.close()
    await started.stop()
  }
})
