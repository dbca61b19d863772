import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import { invalid } from '../../http/problems.ts'
import { createGuardedFetch } from '../../lib/guarded-fetch.ts'
import { checkUpstreamUrl } from '../../lib/upstream-url.ts'
import { createAsk } from '../../tester/heard.ts'
import type { ForeignToken } from '../../tester/resource-facts.ts'
import { testUrl } from '../../tester/test-url.ts'
import { mintAccessToken } from '../../tokens/access-token.ts'
import { foreignAudience, probeClaims, probeLifetime } from '../../tokens/probe-token.ts'
import { ok, type Route, route } from './route.ts'

const wish = z.strictObject({
  url: z.string().min(1).max(2048).describe('An issuer, its metadata, or an MCP server'),
  register: z
    .boolean()
    .default(false)
    .describe('Register a client there to try what only a client can, and delete it where that is possible'),
})

const judgement = { code: z.string(), message: z.string(), spec: z.string().describe('Where it is written') }

const report = z
  .strictObject({
    ok: z.boolean().describe('Whether there is no error'),
    tested: z
      .array(
        z.strictObject({
          kind: z.enum(['authorization_server', 'mcp_server']),
          url: z.string(),
          checks: z.array(z.strictObject({ ...judgement, kind: z.enum(['success', 'warning', 'error']) })),
          unchecked: z.array(z.strictObject(judgement)).describe('What could not be looked at, and why'),
        }),
      )
      .describe('An MCP server first, then the authorization servers it names'),
  })
  .meta({ id: 'TestReport' })

/** Seconds after which a test ends with what was found. */
const testDeadline = 30

/** Tests servers of others, on the public internet alone: their URLs say nothing of who else may be asked. */
export function testRoutes(gateway: Gateway): Route[] {
  const { config, clock } = gateway
  const rules = { allowLoopback: config.allowLoopbackUpstreams }
  const fetch = createGuardedFetch({ ...rules, limit: config.limits.upstream_bytes })
  return [
    route({
      method: 'POST',
      path: '/tests',
      role: 'write',
      operationId: 'runTest',
      summary: 'Test whether an authorization server or an MCP server is fit for MCP',
      body: wish,
      answers: { 200: report },
      handle: async ({ body: { url, register } }) => {
        const fault = checkUpstreamUrl(url, rules)
        if (fault !== undefined) throw invalid([{ pointer: '/url', message: fault }])
        const deadline = config.limits.discovery_deadline
        const signal = AbortSignal.timeout(testDeadline * 1000)
        return ok(
          await testUrl(url, {
            ask: createAsk({ fetch, deadline, signal }),
            now: clock(),
            registering: register ? 'register' : 'leave',
            foreignToken: foreignTokens(gateway),
          }),
        )
      },
    }),
  ]
}

/** A token of this gateway that opens nothing anywhere, for servers that trust it. */
function foreignTokens({ config: { issuer }, signingKeys, clock }: Gateway): ForeignToken {
  return async (issuers) => {
    if (!issuers.includes(issuer)) return undefined
    const [key, now] = [await signingKeys.signingKey(), clock()]
    const claims = probeClaims(issuer, foreignAudience, now)
    return mintAccessToken({ ...claims, key, now, lifetime: probeLifetime })
  }
}
