import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Github, startGithub } from '../../standins/github.ts'
import { authorize, credentials, signIn, startSeeded } from './github-client.ts'
import { callbackOf, challenge, get, redirectUri, verifier } from './trip.ts'

let github: Github

beforeEach(async () => {
  github = await startSeeded()
})
afterEach(() => github.stop())

async function control(commands: unknown, type = 'application/json') {
  const response = await fetch(`${github.url}/__ctl`, {
    method: 'POST',
    body: JSON.stringify(commands),
    headers: { 'content-type': type },
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

describe('the control API over HTTP', () => {
  test('does what the object does, in order', async () => {
    const { status, body } = await control({
      addUser: { id: 8, login: 'hubot' },
      autoApprove: 'hubot',
      iss: 'never',
      advance: 60,
      issued: null,
    })
    expect([status, body.issued]).toEqual([200, []])
    expect(callbackOf(await authorize(github))).not.toHaveProperty('iss')
    expect(github.control.issued()).toMatchObject([{ kind: 'code', user: '8', at: 1_800_000_060 }])
    await control({ currentUser: null, ask: null })
    expect((await authorize(github)).status).toBe(200)
  })

  test.each([
    [{ nonsense: 1 }, 'no such command: nonsense'],
    [{ toString: null }, 'no such command: toString'],
    [{ currentUser: 'nobody' }, 'currentUser: no such user: nobody'],
    [{ addUser: { login: 'no-id' } }, 'addUser: '],
    [{ set: { nonsense: true } }, 'set: '],
    [{ script: { on: 'GET *', effect: { kind: 'explode' } } }, 'script: '],
  ])('refuses %o', async (commands, error) => {
    const answer = await control(commands)
    expect(answer.status).toBe(400)
    expect(answer.body.error).toContain(error)
  })

  test('takes JSON only, which no foreign page can send', async () => {
    expect((await control({ deny: null }, 'text/plain')).status).toBe(415)
    expect((await authorize(github)).status).toBe(302)
  })

  test('shows the log, itself aside', async () => {
    await authorize(github)
    await control({ ask: null })
    const { body } = await get(`${github.url}/__ctl/log`)
    expect(body).toMatchObject([
      {
        origin: 'web',
        method: 'GET',
        path: '/login/oauth/authorize',
        query: { client_id: 'client', code_challenge: challenge },
        status: 302,
      },
    ])
  })
})

describe('the log', () => {
  test('has method, path, query, headers, body and status of every request', async () => {
    await signIn(github)
    await get(`${github.api}/user?page=2`, 'unknown')
    expect(github.calls('POST /login/oauth/access_token')).toMatchObject([
      {
        at: 1_800_000_000,
        bodyKind: 'form',
        body: { ...credentials, code_verifier: verifier, redirect_uri: redirectUri },
        headers: { accept: 'application/json' },
        status: 200,
      },
    ])
    expect(github.calls('GET /user')).toMatchObject([
      { origin: 'api', query: { page: '2' }, headers: { authorization: 'Bearer unknown' }, status: 401 },
    ])
    expect(github.calls('GET *')).toHaveLength(2)
    github.control.clearLog()
    expect(github.log()).toEqual([])
  })

  test('tells which parameters were repeated', async () => {
    await fetch(`${github.api}/user?a=1&a=2&b=3`)
    expect(github.log()).toMatchObject([{ query: { a: '1', b: '3' }, repeated: ['a'] }])
  })

  test('survives what is no URL, no JSON and no cookie', async () => {
    const response = await fetch(`${github.web}/login/oauth/access_token`, {
      method: 'POST',
      body: '{"grant_type":',
      headers: { 'content-type': 'application/json', cookie: 'a=%zz; =; b' },
    })
    expect(response.status).toBe(200)
    expect(github.log()).toMatchObject([{ body: {}, rawBody: '{"grant_type":' }])
  })
})

test('the next redirect back can be changed, once', async () => {
  github.control.nextCallback({ set: { code: 'forged' }, remove: ['iss'], append: [['state', 'twice']] })
  const location = new URL((await authorize(github)).headers.get('location') ?? '')
  expect(location.searchParams.get('code')).toBe('forged')
  expect(location.searchParams.has('iss')).toBe(false)
  expect(location.searchParams.getAll('state')).toEqual(['s', 'twice'])
  expect(callbackOf(await authorize(github)).code).not.toBe('forged')
})

test('everything ever issued is on record', async () => {
  const { access_token } = await signIn(github, { scope: 'offline_access' })
  github.control.revoke({ token: String(access_token) })
  const issued = github.control.issued()
  expect(issued.map(({ kind }) => kind)).toEqual(['code', 'access_token', 'refresh_token'])
  expect(issued[1]).toMatchObject({ value: access_token, user: '7', clientId: 'client' })
})

test('the clock follows the one it was given, plus an offset', async () => {
  let now = 100
  const other = await startGithub({ clock: () => now })
  await get(`${other.api}/user`)
  now = 200
  other.control.advance(5)
  await get(`${other.api}/user`)
  other.control.clockOffset(-50)
  await get(`${other.api}/user`)
  expect(other.log().map(({ at }) => at)).toEqual([100, 205, 150])
  await other.stop()
})

test('two stand-ins of one seed issue the same, two of none do not', async () => {
  const codeOf = async (seed?: string) => {
    const other = await startGithub({
      clients: [{ clientId: 'client', clientSecret: 'secret', redirectUris: [redirectUri] }],
      users: [{ id: 7, login: 'octocat' }],
      ...(seed === undefined ? {} : { seed }),
    })
    other.control.autoApprove('octocat')
    const { code } = callbackOf(await authorize(other))
    await other.stop()
    return code
  }
  expect(await codeOf('seed')).toBe(await codeOf('seed'))
  expect(await codeOf('seed')).not.toBe(await codeOf('other'))
  expect(await codeOf()).not.toBe(await codeOf())
})

test('ports and the path of the API can be chosen', async () => {
  const free = await startGithub()
  await free.stop()
  const port = Number(new URL(free.url).port)
  const enterprise = await startGithub({ port, apiPath: '/api/v3' })
  expect(enterprise.web).toBe(`http://127.0.0.1:${port}`)
  expect(enterprise.api).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/v3$/)
  expect((await get(`${enterprise.api}/user`)).status).toBe(401)
  expect((await get(`${new URL(enterprise.api).origin}/user`)).status).toBe(404)
  await enterprise.stop()
})
