import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { hasChromium, launchChromium } from '../support/chromium.ts'
import { authorizeUrl, newPkce, redeem, registerClient, startWorld, type World } from '../support/world.ts'

// Chromium holds every redirect after a form's POST to its policy; nothing but a browser notices.
describe.skipIf(!hasChromium)('in Chromium, from consent through a provider that approves by itself', () => {
  let world: World
  let browser: Browser
  let client: Server
  beforeAll(async () => {
    world = await startWorld('github')
    browser = await launchChromium()
    client = createServer((_request, response) => response.end('back at the client'))
    await new Promise<void>((resolve) => client.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    await browser.close()
    await new Promise((resolve) => client.close(resolve))
    await world.stop()
  })

  async function open(parameters: Record<string, string>, clientId: string) {
    const page = await (await browser.newContext()).newPage()
    const complaints = complaintsOf(page)
    const { verifier, challenge } = newPkce()
    await page.goto(authorizeUrl({ ...world, clientId }, challenge, parameters))
    return { page, verifier, complaints }
  }

  test('the answer arrives at a program on this computer', async () => {
    const redirectUri = `http://127.0.0.1:${(client.address() as AddressInfo).port}/callback`
    const { page, verifier, complaints } = await open({ redirect_uri: redirectUri }, world.clientId)
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.waitForURL(`${redirectUri}**`)
    expect(await page.textContent('body')).toBe('back at the client')
    const code = new URL(page.url()).searchParams.get('code') ?? ''
    const answer = await redeem(world, { code, verifier }, redirectUri)
    expect(answer.status).toBe(200)
    expect(complaints).toEqual([])
  })

  test('the answer arrives at an app with a scheme of its own', async () => {
    const redirectUri = 'cursor://anysphere.cursor-mcp/oauth/callback'
    const clientId = await registerClient(world.gateway, { redirect_uris: [redirectUri] })
    const { page, verifier, complaints } = await open({ redirect_uri: redirectUri }, clientId)
    const handedOver = appNavigation(page, 'cursor:')
    await page.getByRole('button', { name: 'Allow' }).click()
    const code = new URL(await handedOver).searchParams.get('code') ?? ''
    expect((await redeem({ ...world, clientId }, { code, verifier }, redirectUri)).status).toBe(200)
    expect(complaints).toEqual([])
  })

  test('Deny is told to the client, and nothing went upstream', async () => {
    const redirectUri = `http://127.0.0.1:${(client.address() as AddressInfo).port}/callback`
    const trips = world.upstream.calls('GET /login/oauth/authorize').length
    const { page } = await open({ redirect_uri: redirectUri }, world.clientId)
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.waitForURL(`${redirectUri}**`)
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toMatchObject({
      error: 'access_denied',
      state: 'state-of-the-client',
      iss: world.gateway.issuer,
    })
    expect(world.upstream.calls('GET /login/oauth/authorize')).toHaveLength(trips)
  })
})

describe.skipIf(!hasChromium)('in Chromium, on the account page', () => {
  test('one more way in takes a fresh sign-in, and every form and redirect on that way is let through', async () => {
    const world = await startWorld('github')
    const browser = await launchChromium()
    onTestFinished(async () => {
      await browser.close()
      await world.stop()
    })
    const page = await (await browser.newContext()).newPage()
    const complaints = complaintsOf(page)
    const press = async (name: string) => await page.getByRole('button', { name, exact: true }).click()
    const at = async (name: string) =>
      await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
    await page.goto(`${world.gateway.issuer}/account`)
    await press('Sign in with GitHub')
    await at('Your account')
    world.clock.advance(601)
    await press('Sign in with GitHub too')
    await at('Sign in again first')
    await press('Sign in with GitHub')
    await at('Add a way to sign in with GitHub?')
    world.upstream.approveAs('bob')
    await press('Sign in with GitHub')
    await at('Sign in with GitHub too?')
    await press('Yes, this is me')
    expect(await page.getByRole('status').textContent()).toBe('You can now sign in that way, too.')
    expect(complaints).toEqual([])
  })
})

function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return complaints
}

/** The address a page hands to the app of a scheme; no request is ever made for it. */
async function appNavigation(page: Page, scheme: string): Promise<string> {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  return await new Promise((resolve) => {
    session.on('Network.responseReceivedExtraInfo', ({ headers }) => {
      const location = headers.location ?? headers.Location
      if (location?.startsWith(scheme)) resolve(location)
    })
  })
}
