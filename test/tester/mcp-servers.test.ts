import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js'
import express from 'express'
import { MCPAuth } from 'mcp-auth'
import { expect, onTestFinished, test } from 'vitest'
import { createGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import { createAsk } from '../../src/tester/heard.ts'
import { testUrl } from '../../src/tester/test-url.ts'
import { type IssuerAnswers, openIssuer } from '../support/issuer.ts'
import { soundMetadata } from '../support/tested-world.ts'

/** The findings about an MCP server made of what others offer for its protection, its authorization server aside. */
async function faultsOf(
  protect: (resource: URL, issuer: string, metadata: IssuerAnswers['document']) => RequestListener,
) {
  const { issuer, answer } = await openIssuer()
  answer.document = { ...soundMetadata, ...answer.document, issuer }
  let listener: RequestListener = () => {}
  const server = createServer((request, response) => listener(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const resource = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)
  listener = protect(resource, issuer, answer.document)
  const fetch = createGuardedFetch({ allowLoopback: true })
  const ask = createAsk({ fetch, deadline: 10, signal: new AbortController().signal })
  const options = { ask, now: 1_800_000_000, registering: 'leave' } as const
  const { tested } = await testUrl(resource.href, options)
  expect(tested.map(({ kind }) => kind)).toEqual(['mcp_server', 'authorization_server'])
  return tested[0]?.checks.filter(({ kind }) => kind !== 'success')
}

test('the middleware of the official SDK 1.x is fit, but calls everything an error', async () => {
  const faults = await faultsOf((resource, issuer, metadata) => {
    const app = express()
    const oauthMetadata = { ...soundMetadata, ...metadata, issuer }
    app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: resource }))
    const resourceMetadataUrl = new URL('/.well-known/oauth-protected-resource/mcp', resource).href
    const verifier = {
      verifyAccessToken: async () => Promise.reject(new InvalidTokenError('nobody is known')),
    }
    app.use('/mcp', requireBearerAuth({ verifier, resourceMetadataUrl }))
    return app
  })
  expect(faults?.map(({ kind, code }) => `${kind} ${code}`)).toEqual([
    'warning resource_metadata',
    'warning resource_caching',
    'warning challenge_scope',
    'warning challenge_error',
  ])
})

test('mcp-auth 0.2.0 writes a challenge that nobody can read where credentials are of another scheme', async () => {
  const faults = await faultsOf((resource, issuer) => {
    const auth = new MCPAuth({
      protectedResources: {
        metadata: { resource: resource.href, authorizationServers: [{ issuer, type: 'oauth' }] },
      },
    })
    const app = express()
    app.use(auth.protectedResourceMetadataRouter())
    app.use('/mcp', auth.bearerAuth('jwt', { resource: resource.href, audience: resource.href }))
    return app
  })
  expect(faults?.map(({ kind, code }) => `${kind} ${code}`)).toEqual([
    'warning resource_metadata',
    'warning resource_caching',
    'error challenge_form',
    'warning challenge_scope',
    'warning challenge_error',
  ])
  const message = faults?.find(({ code }) => code === 'challenge_form')?.message
  expect(message).toContain('WWW-Authenticate to Basic cannot be read')
})
