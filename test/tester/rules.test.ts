import { expect, test } from 'vitest'
import { mcpServerRules, serverRules } from '../../src/tester/test-url.ts'
import { faultsIn, issuer, mcpServer, soundMcpServer, soundServer, testIn } from '../support/tested-world.ts'
import { brokenMcpServers } from './broken-mcp-servers.ts'
import { brokenServers, brokenToClients } from './broken-servers.ts'

test.each(brokenServers)(
  'of an authorization server with %s that is found, and nothing else',
  async (_, over, faults) => {
    expect(faultsIn(await testIn({ ...soundServer(), ...over }, issuer))).toEqual(faults)
  },
)

test.each(brokenToClients)(
  'of an authorization server that %s to clients that is found, and nothing else',
  async (_, over, faults) => {
    const report = await testIn({ ...soundServer(), ...over }, issuer, { registering: 'register' })
    expect(faultsIn(report)).toEqual(faults)
  },
)

const foreignToken = async () => 'for-another'

test.each(brokenMcpServers)(
  'of an MCP server with %s that is found, and nothing else',
  async (_, over, faults) => {
    const world = { ...soundServer(), ...soundMcpServer(), ...over }
    expect(faultsIn(await testIn(world, mcpServer, { foreignToken }))).toEqual(faults)
  },
)

test('of a server that does everything right nothing is found wrong, and nothing is left to look at', async () => {
  const world = { ...soundServer(), ...soundMcpServer() }
  const report = await testIn(world, mcpServer, { registering: 'register', foreignToken })
  expect(faultsIn(report)).toEqual([])
  expect(report.ok).toBe(true)
  expect(JSON.stringify(report)).not.toMatch(/token-of-the-registration|for-another/)
  expect(report.tested.map(({ kind, url, unchecked }) => [kind, url, unchecked])).toEqual([
    ['mcp_server', mcpServer, []],
    ['authorization_server', issuer, []],
  ])
  const codes = report.tested.flatMap(({ checks }) => checks.map(({ code }) => code))
  expect(codes.toSorted()).toEqual([...serverRules, ...mcpServerRules].map(({ code }) => code).toSorted())
})
