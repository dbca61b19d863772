import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Limits } from '../../src/config/settings.ts'
import { type Child, startChild } from '../child.ts'
import { operations } from '../operations.ts'
import {
  type Amounts,
  clientRedirect,
  pkce,
  providerId,
  resourceScope,
  resourceUri,
  type Seed,
} from '../seed.ts'
import { seedGateway } from './gateway-seed.ts'
import { freePort } from './port.ts'
import { measured, type Place, type Server, usageOf } from './server.ts'

/** The same for every start, so that one can follow another over the same database. */
const masterKey = randomBytes(32)
const adminToken = randomBytes(32).toString('base64url')

/** From where it was built, or from the sources. */
export type Cli = 'dist/cli.js' | 'src/cli.ts'

/** Where one listens, and what it keeps where; its tokens name the port, so that it goes with the database. */
export type Installation = { cli: Cli; port: number; databaseUrl: string; workers: number }

/** The product as `coatcheck serve` runs it, its log at the usual level. */
export function gateway(cli: Cli): Server {
  return {
    name: 'coatcheck',
    operations,
    codesPerSecond: 6_000,
    async start(place) {
      const databaseUrl = `sqlite:${join(place.folder, 'coatcheck.db')}`
      const installation = { cli, databaseUrl, port: await freePort(), workers: 1 }
      const child = await startGateway(place, installation)
      return {
        seed: (amounts) => fillGateway(installation, amounts),
        usage: usageOf(child),
        stop: child.stop,
      }
    },
  }
}

/** Starts it and waits until it answers. */
export async function startGateway(place: Place, installation: Installation): Promise<Child> {
  const { port, databaseUrl, workers, cli } = installation
  const config = join(place.folder, 'config.json')
  writeFileSync(config, JSON.stringify({ limits: roomy, lifetimes: { code: 600 } }))
  const child = startChild({
    cores: place.cores,
    args: [...measured, ...place.node, cli, 'serve'],
    env: {
      COATCHECK_ISSUER: urlOf(port),
      COATCHECK_PORT: String(port),
      COATCHECK_DATABASE_URL: databaseUrl,
      COATCHECK_MASTER_KEYS: `bench:${masterKey.toString('base64')}`,
      COATCHECK_ADMIN_TOKEN: adminToken,
      COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
      COATCHECK_CONFIG: config,
      ...(workers > 1 && { COATCHECK_WORKERS: String(workers) }),
    },
  })
  await Promise.race([answers(urlOf(port) + paths.metadata), child.died])
  return child
}

/** Puts into a running one what the operations ask for. */
export async function fillGateway({ port, databaseUrl }: Installation, amounts: Amounts): Promise<Seed> {
  const seeds = await seedGateway({ url: urlOf(port), adminToken, databaseUrl, masterKey }, amounts)
  return { port, paths, ...common, ...seeds }
}

const urlOf = (port: number) => `http://127.0.0.1:${port}`

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
  token_requests_per_address: 1_000_000,
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
