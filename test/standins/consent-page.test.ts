import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Atlassian } from '../../standins/atlassian.ts'
import type { Github } from '../../standins/github.ts'
import type { Google } from '../../standins/google.ts'
import * as atlassianClient from './atlassian-client.ts'
import * as githubClient from './github-client.ts'
import * as googleClient from './google-client.ts'
import { callbackOf, get, verifier } from './trip.ts'

/** Fills in the form of a page as a browser would, and posts it. */
async function answer(page: Response, choices: Record<string, string>): Promise<Response> {
  const html = await page.text()
  const action = /action="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const offered = [...html.matchAll(/name="(offered:[^"]+)"/g)].map(([, name]) => [name ?? '', '1'])
  return fetch(new URL(action, page.url), {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ ...Object.fromEntries(offered), ...choices }),
  })
}

const cookieOf = (response: Response) => response.headers.getSetCookie()[0]?.split(';')[0] ?? ''

describe('at GitHub', () => {
  let github: Github

  beforeEach(async () => {
    github = await githubClient.startSeeded()
    github.control.addUser({ id: 8, login: '<b>hubot</b>', name: null })
    github.control.currentUser(null)
    github.control.ask()
  })
  afterEach(() => github.stop())

  test('has no script, and escapes what it shows', async () => {
    const html = await (await githubClient.authorize(github)).text()
    expect(html).not.toContain('<script')
    expect(html).not.toContain('<b>hubot')
    expect(html).toContain('&lt;b&gt;hubot&lt;/b&gt;')
  })

  test('approves for the picked person, whom the browser then remembers', async () => {
    const page = await githubClient.authorize(github)
    const approved = await answer(page, { user: '8', decision: 'approve', 'tick:read:user': '1' })
    expect(callbackOf(approved).code).toBeDefined()
    expect(github.control.issued()).toMatchObject([{ user: '8' }])
    const again = await fetch(page.url, { redirect: 'manual', headers: { cookie: cookieOf(approved) } })
    expect(again.status).toBe(302)
  })

  test('leaves out what was unticked', async () => {
    const page = await githubClient.authorize(github, { scope: 'repo gist' })
    const approved = await answer(page, { user: '7', decision: 'approve', 'tick:gist': '1' })
    const { body } = await githubClient.askForToken(github, {
      code: callbackOf(approved).code ?? '',
      redirect_uri: githubClient.request.redirect_uri,
      code_verifier: verifier,
    })
    expect(body.scope).toBe('gist')
  })

  test('denies', async () => {
    const denied = await answer(await githubClient.authorize(github), { user: '7', decision: 'deny' })
    expect(callbackOf(denied)).toMatchObject({ error: 'access_denied', state: 's' })
  })

  test('knows nobody who was not seeded', async () => {
    const page = await githubClient.authorize(github)
    expect((await answer(page, { user: '9', decision: 'approve' })).status).toBe(400)
  })
})

describe('at Google', () => {
  let google: Google

  beforeEach(async () => {
    google = await googleClient.startSeeded()
    google.control.currentUser(null)
    google.control.ask()
  })
  afterEach(() => google.stop())

  test('offers to untick API scopes, not those for signing in', async () => {
    const html = await (
      await googleClient.authorize(google, { scope: `openid email ${googleClient.calendar}` })
    ).text()
    expect(html).toContain(`name="tick:${googleClient.calendar}"`)
    expect(html).not.toContain('name="tick:openid"')
    expect(html).not.toContain('userinfo.email"')
  })

  test('approves and remembers', async () => {
    const page = await googleClient.authorize(google)
    const approved = await answer(page, { user: '1042', decision: 'approve' })
    expect(callbackOf(approved).prompt).toBe('consent')
    const again = await fetch(page.url, { redirect: 'manual', headers: { cookie: cookieOf(approved) } })
    expect(callbackOf(again).prompt).toBe('none')
  })
})

describe('at Atlassian', () => {
  let atlassian: Atlassian

  beforeEach(async () => {
    atlassian = await atlassianClient.startSeeded()
    atlassian.control.ask()
  })
  afterEach(() => atlassian.stop())

  test('adds the ticked sites, if they are the person’s own', async () => {
    atlassian.control.addUser({ ...atlassianClient.ada, sites: ['cloud-1'] })
    const approved = await answer(await atlassianClient.authorize(atlassian), {
      user: '557058:ada',
      decision: 'approve',
      'site:cloud-1': '1',
      'site:cloud-2': '1',
    })
    const { body } = await atlassianClient.redeem(atlassian, callbackOf(approved).code)
    const url = `${atlassian.api}/oauth/token/accessible-resources`
    expect((await get(url, String(body.access_token))).body).toMatchObject([{ id: 'cloud-1' }])
  })
})
