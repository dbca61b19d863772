import { expect, onTestFinished, test } from 'vitest'
import { startDemo } from '../../examples/demo/demo.ts'
import { createMcpClient } from '../../examples/demo/mcp-client.ts'
import { callbackOf, createBrowser } from '../support/browser.ts'

const redirectUrl = 'http://127.0.0.1:9/callback'
const isAda = { text: '{"login":"ada","name":"Ada Lovelace"}', isError: false }
const connectLink = /http:\S+\/connect\/cc_link_\S+/

/** Everything the demo starts, and an MCP client of the official SDK with the browser of its person. */
async function startWithClient() {
  const demo = await startDemo((_what, work) => work())
  onTestFinished(demo.stop)
  const client = createMcpClient({ mcpUrl: demo.mcpUrl, redirectUrl })
  onTestFinished(client.close)
  const browser = createBrowser({ redirectUris: [redirectUrl] })
  const authorizationUrl = await client.connect()
  if (!authorizationUrl) throw new Error('the MCP server asked for no token')
  return { demo, client, browser, authorizationUrl: authorizationUrl.href }
}

test('a client of the official SDK gets from a bare address to what the person has upstream', async () => {
  const { client, browser, authorizationUrl, demo } = await startWithClient()
  expect(Object.fromEntries(new URL(authorizationUrl).searchParams)).toMatchObject({
    resource: demo.mcpUrl,
    scope: 'profile.read repositories.read events.read sites.read',
    code_challenge_method: 'S256',
  })
  const stop = await browser.walk(authorizationUrl, ['Sign in with GitHub', 'Allow', 'Authorize'])
  expect(callbackOf(stop)).toMatchObject({ iss: demo.issuer, code: expect.any(String) })
  await client.finish(new URL(stop.url))

  expect(await client.tools()).toEqual(['whoami', 'list_repositories', 'list_events', 'list_sites'])
  expect(await client.call('whoami')).toEqual(isAda)
  expect(await client.call('list_repositories')).toMatchObject({
    text: expect.stringContaining('{"full_name":"ada/analytical-engine","private":true}'),
  })
  // Promise 1: what the providers gave never reaches the client.
  const upstream = demo.upstreams.github.control.issued().map(({ value }) => value)
  expect(upstream.filter((secret) => JSON.stringify(client.claims()).includes(secret))).toEqual([])
})

test('who takes access back upstream is given a link, and after it the tool works again', async () => {
  const { client, browser, authorizationUrl, demo } = await startWithClient()
  const stop = await browser.walk(authorizationUrl, ['Sign in with GitHub', 'Allow', 'Authorize'])
  await client.finish(new URL(stop.url))
  await client.call('whoami')
  demo.upstreams.revokeAtGithub()

  const refusal = await client.call('whoami')
  expect(refusal).toMatchObject({ isError: true, text: expect.stringMatching(connectLink) })
  const link = connectLink.exec('text' in refusal ? refusal.text : '')?.[0] ?? ''
  expect((await browser.walk(link, ['Continue', 'Authorize'])).text).toContain('Connected')
  expect(await client.call('whoami')).toEqual(isAda)
})

test('a provider that was left out is connected when a tool needs it', async () => {
  const { client, browser, authorizationUrl } = await startWithClient()
  const stop = await browser.walk(authorizationUrl, [
    'Sign in with GitHub',
    { button: 'Allow', fields: { provider: ['atlassian'] } },
    'Authorize',
  ])
  await client.finish(new URL(stop.url))
  expect(await client.call('list_sites')).toMatchObject({ isError: false })

  const refusal = await client.call('list_events')
  expect(refusal).toMatchObject({ isError: true, text: expect.stringContaining('Open http') })
  const link = connectLink.exec('text' in refusal ? refusal.text : '')?.[0] ?? ''
  await browser.walk(link, ['Continue', 'Authorize'])
  expect(await client.call('list_events')).toMatchObject({ text: expect.stringContaining('Mr Babbage') })
})

test('who says no is sent back to the client with nothing', async () => {
  const { client, browser, authorizationUrl } = await startWithClient()
  const stop = await browser.walk(authorizationUrl, ['Sign in with GitHub', 'Deny'])
  expect(callbackOf(stop)).toMatchObject({ error: 'access_denied' })
  await expect(client.finish(new URL(stop.url))).rejects.toThrow('access_denied')
})

test('the page of the demo can be clicked through', async () => {
  const { demo } = await startWithClient()
  const browser = createBrowser()
  const connected = await browser.walk(demo.pageUrl, ['Connect', 'Sign in with Google', 'Allow', 'Authorize'])
  expect(connected).toMatchObject({ url: `${demo.pageUrl}/`, text: expect.stringContaining('Connected') })

  expect((await browser.submit(connected, { button: 'whoami' })).text).toContain('Ada Lovelace')
  await browser.submit(connected, { button: 'Take access back at GitHub' })
  const refused = await browser.submit(connected, { button: 'whoami' })
  await browser.walk(await browser.follow(refused, /\/connect\//), ['Continue', 'Authorize'])
  expect((await browser.submit(refused, { button: 'whoami' })).text).toContain('Ada Lovelace')

  const again = await browser.submit(refused, { button: 'Start over' })
  expect(again.forms.flatMap(({ buttons }) => buttons.map(({ text }) => text))).toEqual(['Connect'])
})
