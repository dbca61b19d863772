import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { protect } from '../../sdk/src/index.ts'
import { type Kind, startServer } from '../../sdk/test/support/servers.ts'
import { freePort, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { policyOf, publishTools, tool } from '../support/tool-policy.ts'
import { createCredential } from '../support/world.ts'

type Probed = { probes: { check: string; outcome: string; detail?: string }[] }

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(async () => await gateway.stop())

/** What the probes find of a server of the official SDK behind @coatcheck/mcp. */
async function probeServer(id: string, kind: Kind, requiredScopes: string[]): Promise<Probed['probes']> {
  const port = await freePort()
  const resource = `http://127.0.0.1:${port}/mcp`
  const scopes = { read: 'Read' }
  const definition = { resource, name: 'Notes', scopes, default_scopes: ['read'], providers: [] }
  await gateway.admin('PUT', `/resources/${id}`, definition)
  const credential = await createCredential(gateway, id)
  await publishTools({ gateway, credential }, [tool('whoami')])
  const access = requiredScopes.length > 0 ? { scopes: requiredScopes } : { access: 'public' as const }
  await policyOf(gateway, id).open('whoami', access)
  const { issuer } = gateway
  const guard = protect({
    resource,
    issuer,
    credential,
    scopes: ['read'],
    requiredScopes,
    introspectionLifetime: 0,
  })
  const server = await startServer(kind, guard, port)
  try {
    return (await gateway.admin<Probed>('POST', `/resources/${id}/application/probe`)).probes
  } finally {
    await server.stop()
  }
}

const checks = ['metadata', 'challenge', 'garbage_token', 'wrong_audience', 'list_filter', 'denied_call']

describe.each<[string, Kind]>([
  ['sessions', 'Express, SDK 1.x, stateful, mounted'],
  ['json', 'Fastify, SDK 1.x, stateless'],
  ['web', 'Hono, SDK 2.x'],
])('a server behind @coatcheck/mcp, %s', (id, kind) => {
  test('passes every probe where it opens nothing without a scope', async () => {
    const probes = await probeServer(`${id}-closed`, kind, ['read'])
    expect(probes.filter(({ outcome }) => outcome !== 'passed')).toEqual([])
    expect(probes.map(({ check }) => check)).toEqual(checks)
  })

  test('is seen through its own transport to show no more than what is public', async () => {
    const probes = await probeServer(`${id}-open`, kind, [])
    expect(probes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    const outcomes = Object.fromEntries(probes.map(({ check, outcome }) => [check, outcome]))
    expect(outcomes).toMatchObject({ list_filter: 'passed', denied_call: 'skipped' })
  })
})
