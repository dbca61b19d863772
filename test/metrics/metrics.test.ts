import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freePort, startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import {
  authorizeUrl,
  basic,
  claimsOf,
  newBrowser,
  newPkce,
  postToken,
  redirectUri,
  refresh,
  resourceUri,
  retrieve,
  signIn,
  startWorld,
  type Tokens,
  type World,
} from '../support/world.ts'

// What happens at a gateway is told to Prometheus, and nobody who was part of it.

let world: World
const canary = 'canary-of-a-stranger'
/** What must be in no label, by what it is. */
const secrets = new Map<string, string>()

const urlOf = ({ gateway }: Pick<World, 'gateway'>) => gateway.running().metricsUrl ?? 'no metrics'

async function scrape(of: Pick<World, 'gateway'> = world): Promise<string> {
  const answer = await fetch(urlOf(of))
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return await answer.text()
}

/** The value of every series, by its name and labels as they stand there. */
function seriesIn(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

async function exchange(subjectToken: string): Promise<number> {
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    provider: 'github',
  }
  return (await postToken(world, form, { authorization: basic(world.credential) })).status
}

/** The upstream token has ended, and the client goes on with its session. */
async function goOn(tokens: Tokens): Promise<Tokens> {
  world.clock.advance(28_801)
  const renewed = (await (await refresh(world, tokens.refresh_token)).json()) as Tokens
  secrets.set(renewed.access_token, 'an access token').set(renewed.refresh_token, 'a refresh token')
  return renewed
}

const github = 'provider="github"'

describe('a gateway that is watched', () => {
  let tokens: Tokens
  let tsid: string

  beforeAll(async () => {
    // Of its chores alone.
    vi.useFakeTimers({ toFake: ['setInterval'] })
    world = await startWorld('github', {
      env: () => ({ COATCHECK_METRICS_PORT: '0' }),
      file: { limits: { unknown_sessions_per_resource: 1 } },
      chores: 'all',
    })
  })
  afterAll(async () => {
    vi.useRealTimers()
    await world.stop()
  })

  test('tells of a sign-in, of tokens issued and handed out, by both faces', async () => {
    const session = await signIn(world)
    tokens = session.tokens
    tsid = session.tsid
    expect((await retrieve(world, tsid)).status).toBe(200)
    expect(await exchange(tokens.access_token)).toBe(200)
    expect(seriesIn(await scrape())).toMatchObject({
      [`coatcheck_sign_ins_total{${github},outcome="signed_in"}`]: 1,
      'coatcheck_tokens_issued_total{grant="authorization_code"}': 1,
      'coatcheck_tokens_issued_total{grant="token-exchange"}': 1,
      'coatcheck_token_retrievals_total{face="rest",outcome="released"}': 1,
      'coatcheck_token_retrievals_total{face="exchange",outcome="released"}': 1,
      'coatcheck_token_retrieval_duration_seconds_count{face="rest"}': 1,
      'coatcheck_token_retrieval_duration_seconds_bucket{le="10",face="exchange"}': 1,
      [`coatcheck_connections{${github},status="live"}`]: 1,
      [`coatcheck_connections{${github},status="needs_reauthorization"}`]: 0,
      coatcheck_unstored_tokens: 0,
      'coatcheck_refresh_leases{state="held"}': 0,
      'coatcheck_refresh_leases{state="waiting"}': 0,
      coatcheck_write_queue_length: 0,
      'coatcheck_build_info{version="0.1.0"}': 1,
    })
  })

  test('tells of a refresh, how long it took, and how its provider is asked', async () => {
    tokens = await goOn(tokens)
    expect((await retrieve(world, tsid)).status).toBe(200)
    const series = seriesIn(await scrape())
    expect(series).toMatchObject({
      [`coatcheck_upstream_refreshes_total{${github},outcome="refreshed"}`]: 1,
      [`coatcheck_upstream_refresh_duration_seconds_count{${github}}`]: 1,
      [`coatcheck_provider_state{${github}}`]: 0,
      'coatcheck_tokens_issued_total{grant="refresh_token"}': 1,
    })
    expect(series[`coatcheck_upstream_refresh_duration_seconds_sum{${github}}`]).toBeGreaterThan(0)
  })

  test('tells of an outage, and that the provider is left alone', async () => {
    tokens = await goOn(tokens)
    const down = { kind: 'respond', status: 503, body: 'down' } as const
    world.upstream.script({ on: world.upstream.tokenRoute, times: 5, effect: down })
    for (let attempt = 0; attempt < 5; attempt++) {
      world.clock.advance(31)
      expect((await retrieve(world, tsid)).status).toBe(503)
    }
    expect(seriesIn(await scrape())).toMatchObject({
      [`coatcheck_upstream_refreshes_total{${github},outcome="transient"}`]: 5,
      'coatcheck_token_retrievals_total{face="rest",outcome="upstream_unavailable"}': 5,
      [`coatcheck_provider_state{${github}}`]: 2,
    })
    world.clock.advance(61)
    expect(seriesIn(await scrape())[`coatcheck_provider_state{${github}}`]).toBe(1)
  })

  test('tells of a connection that died', async () => {
    const body = JSON.stringify({ error: 'bad_refresh_token', error_description: canary })
    const effect = { kind: 'respond', status: 200, body } as const
    world.upstream.script({ on: world.upstream.tokenRoute, effect })
    expect((await retrieve(world, tsid)).status).toBe(424)
    world.clock.advance(16)
    expect(seriesIn(await scrape())).toMatchObject({
      [`coatcheck_upstream_refreshes_total{${github},outcome="dead"}`]: 1,
      'coatcheck_token_retrievals_total{face="rest",outcome="needs_reauthorization"}': 1,
      [`coatcheck_connections{${github},status="live"}`]: 0,
      [`coatcheck_connections{${github},status="needs_reauthorization"}`]: 1,
    })
  })

  test('tells of those who are refused, and by which limit, and not of what they wrote', async () => {
    expect((await retrieve(world, canary)).status).toBe(404)
    expect((await retrieve(world, canary)).status).toBe(429)
    const stranger = { ...world, credential: { id: canary, secret: canary } }
    expect((await retrieve(stranger, tsid, { provider: canary })).status).toBe(401)
    expect(await exchange(canary)).toBe(400)
    await postToken(world, { grant_type: canary, client_id: world.clientId })
    expect((await fetch(`${world.gateway.url}/${canary}`)).status).toBe(404)
    world.upstream.deny()
    await newBrowser().walk(authorizeUrl(world, newPkce().challenge), ['allow'])
    const series = seriesIn(await scrape())
    expect(series).toMatchObject({
      'coatcheck_token_retrievals_total{face="rest",outcome="unknown_token_session"}': 1,
      'coatcheck_token_retrievals_total{face="rest",outcome="too_many_requests"}': 1,
      'coatcheck_token_retrievals_total{face="rest",outcome="invalid_resource_credential"}': 1,
      'coatcheck_token_retrievals_total{face="exchange",outcome="invalid_user_token"}': 1,
      'coatcheck_rate_limit_refusals_total{rate="unknown_sessions_per_resource"}': 1,
      'coatcheck_http_requests_total{route="none",status="4xx"}': 1,
      [`coatcheck_sign_ins_total{${github},outcome="denied"}`]: 1,
    })
    const route = 'route="/v1/token-sessions/:tsid/tokens/:provider"'
    expect(series[`coatcheck_http_requests_total{${route},status="2xx"}`]).toBe(2)
    expect(series[`coatcheck_http_requests_total{${route},status="5xx"}`]).toBe(5)
  })

  test('tells of the database, and of what is swept from it', async () => {
    world.clock.advance(86_400)
    vi.advanceTimersByTime(300_000)
    // The first was at the start, and found nothing.
    const swept = 'coatcheck_sweeps_total{outcome="done"}'
    let series = seriesIn(await scrape())
    for (let tries = 0; tries < 200 && series[swept] === 1; tries++) series = seriesIn(await scrape())
    const { chores } = world.gateway.running().gateway.store
    await until(async () => (await chores.list()).every(({ holder }) => holder === null))
    // What PostgreSQL tells of its rows is an estimate, which it makes when it finds the time.
    await world.gateway.database.run('ANALYZE')
    // What costs a query is told as it was for a while.
    world.clock.advance(60)
    series = seriesIn(await scrape())
    expect(series[swept]).toBe(2)
    expect(series['coatcheck_chore_done_timestamp_seconds{chore="sweep"}']).toBeGreaterThan(1_500_000_000)
    expect(series['coatcheck_chores_held{chore="keep_alive"}']).toBe(0)
    expect(series['coatcheck_swept_rows_total{kind="interactions"}']).toBeGreaterThan(0)
    expect(series.coatcheck_commit_duration_seconds_count).toBeGreaterThan(10)
    expect(series.coatcheck_committed_writes_total).toBeGreaterThanOrEqual(
      series.coatcheck_commit_duration_seconds_count ?? Number.NaN,
    )
    expect(series.coatcheck_database_bytes).toBeGreaterThan(100_000)
    expect(series.coatcheck_audit_rows).toBeGreaterThan(5)
    expect(series.process_resident_memory_bytes).toBeGreaterThan(0)
  })

  test('names nobody', async () => {
    const found = await scrape()
    secrets
      .set(canary, 'what a stranger wrote')
      .set(tsid, 'the token session')
      .set(tokens.access_token, 'an access token')
      .set(String(claimsOf(tokens.access_token).sub), 'the subject')
      .set(world.clientId, 'the client')
      .set(world.credential.id, 'the resource credential')
      .set(world.credential.secret, 'its secret')
      .set(world.gateway.adminToken, 'the administrator’s token')
      .set('ada@one.test', 'an e-mail address')
      .set('127.0.0.1', 'an address')
      .set(new URL(resourceUri).host, 'the resource')
      .set(redirectUri, 'the redirect URI')
    for (const issued of world.upstream.issued()) secrets.set(issued, 'an upstream token')
    expect(secrets.size).toBeGreaterThan(15)
    expect([...secrets].filter(([secret]) => found.includes(secret)).map(([, what]) => what)).toEqual([])
  })

  test('answers nothing else on that port, and nothing of it on the other', async () => {
    const at = (path: string, method = 'GET') => fetch(new URL(path, urlOf(world)), { method })
    expect((await at('/')).status).toBe(404)
    expect((await at('/healthz')).status).toBe(404)
    expect((await at('/metrics/')).status).toBe(404)
    const posted = await at('/metrics', 'POST')
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const head = await at('/metrics', 'HEAD')
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect((await fetch(`${world.gateway.url}/metrics`)).status).toBe(404)
  })

  test('listens where the gateway does, and no longer than it', async () => {
    expect(new URL(urlOf(world)).hostname).toBe(new URL(world.gateway.running().url).hostname)
    const before = urlOf(world)
    await world.gateway.restart()
    await expect(fetch(before)).rejects.toThrow()
    expect(seriesIn(await scrape())['coatcheck_tokens_issued_total{grant="refresh_token"}']).toBeUndefined()
  })
})

test('nothing is counted and nothing listens unless it is asked for', async () => {
  const gateway = await startTestGateway()
  const { metricsUrl, gateway: parts } = gateway.running()
  expect(metricsUrl).toBeUndefined()
  expect(parts.config.metricsPort).toBeUndefined()
  await gateway.stop()
})

test('a port that is taken ends the start with its name, and the other port is not kept', async () => {
  const first = await startTestGateway({ env: () => ({ COATCHECK_METRICS_PORT: '0' }) })
  const { port } = new URL(urlOf({ gateway: first }))
  const main = await freePort()
  const env = (of: string) => () => ({ COATCHECK_PORT: String(main), COATCHECK_METRICS_PORT: of })
  await expect(startTestGateway({ env: env(port) })).rejects.toThrow(
    `listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  )
  const second = await startTestGateway({ env: env('0') })
  await second.stop()
  await first.stop()
})

test('the gateway’s own port is refused with the rest of the configuration', async () => {
  const env = (port: number) => ({ COATCHECK_METRICS_PORT: String(port) })
  await expect(startTestGateway({ env })).rejects.toMatchObject({
    errors: ['COATCHECK_METRICS_PORT: is the port of the gateway itself'],
  })
})

test('routes are told without the path of the issuer', async () => {
  const gateway = await startTestGateway({
    env: (port) => ({ COATCHECK_ISSUER: `http://localhost:${port}/auth`, COATCHECK_METRICS_PORT: '0' }),
  })
  await fetch(`${gateway.url}/healthz`)
  await fetch(`http://localhost:${new URL(gateway.url).port}/.well-known/oauth-authorization-server/auth`)
  const routes = Object.keys(seriesIn(await scrape({ gateway }))).filter((name) => name.includes('route='))
  expect(routes).toContain('coatcheck_http_requests_total{route="/healthz",status="2xx"}')
  await gateway.stop()
})
