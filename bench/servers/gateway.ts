import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Limits } from '../../src/config/settings.ts'
import { startChild } from '../child.ts'
import { operations } from '../operations.ts'
import { clientRedirect, pkce, providerId, resourceScope, resourceUri, type Seed } from '../seed.ts'
import { seedGateway } from './gateway-seed.ts'
import { freePort } from './port.ts'
import { measured, type Server, usageOf } from './server.ts'

/** The same for every start, so that one can follow another over the same database. */
const masterKey = randomBytes(32)
const adminToken = randomBytes(32).toString('base64url')

/** The product as `coatcheck serve` runs it, its log at the usual level; from `dist` where that was built. */
export function gateway(cli: 'dist/cli.js' | 'src/cli.ts'): Server {
  return {
    name: 'coatcheck',
    operations,
    codesPerSecond: 6_000,
    async start({ core, folder, node }) {
      const port = await freePort()
      const url = `http://127.0.0.1:${port}`
      const databaseUrl = `sqlite:${join(folder, 'coatcheck.db')}`
      const config = join(folder, 'config.json')
      writeFileSync(config, JSON.stringify({ limits: roomy, lifetimes: { code: 600 } }))
      const child = startChild({
        core,
        args: [...measured, ...node, cli, 'serve'],
        env: {
          COATCHECK_ISSUER: url,
          COATCHECK_PORT: String(port),
          COATCHECK_DATABASE_URL: databaseUrl,
          COATCHECK_MASTER_KEYS: `bench:${masterKey.toString('base64')}`,
          COATCHECK_ADMIN_TOKEN: adminToken,
          COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
          COATCHECK_CONFIG: config,
        },
      })
      await Promise.race([answers(`${url}${paths.metadata}`), child.died])
      return {
        async seed(amounts) {
          const seeds = await seedGateway({ url, adminToken, databaseUrl, masterKey }, amounts)
          return { port, paths, ...common, ...seeds }
        },
        usage: usageOf(child),
        stop: child.stop,
      }
    },
  }
}

const paths: Seed['paths'] = {
  token: '/oauth/token',
  introspection: '/oauth/introspect',
  registration: '/oauth/register',
  authorization: '/oauth/authorize',
  jwks: '/.well-known/jwks.json',
  metadata: '/.well-known/oauth-authorization-server',
  sessions: '/v1/token-sessions',
}

const common = {
  redirectUri: clientRedirect,
  resource: resourceUri,
  scope: resourceScope,
  provider: providerId,
  pkce,
  leadsOn: { status: 303, header: '/oauth/interactions/' },
}

/** Everything here comes from one address and within minutes, which the limits are there to slow down. */
const roomy = {
  registrations_per_address: 100_000,
  registrations: 100_000,
  unused_clients: 1_000_000,
  authorizations_per_address: 100_000,
  authorizations_per_client: 100_000,
  authorizations: 100_000,
  authorizations_under_way_per_client: 1_000_000,
  authorizations_under_way: 1_000_000,
  token_requests_per_client: 1_000_000,
  retrievals_per_resource: 10_000_000,
  introspections_per_resource: 10_000_000,
  decisions_per_resource: 10_000_000,
} satisfies Partial<Limits>

/** Waits until a URL answers 200. */
async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 5000; tries++) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => undefined,
    )
    if (status === 200) return
    await pause(2)
  }
  throw new Error(`${url} does not answer`)
}
