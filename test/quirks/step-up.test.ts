import { expect, onTestFinished, test } from 'vitest'
import {
  authorizeUrl,
  newBrowser,
  newPkce,
  redeem,
  registerClient,
  signIn,
  startWorld,
} from '../support/world.ts'

/** Somebody signed in, whose client was allowed these scopes before. */
async function startWith(...before: string[]) {
  const world = await startWorld('google')
  onTestFinished(world.stop)
  const browser = newBrowser()
  for (const scope of before) await signIn(world, { browser, parameters: { scope } })
  return { world, browser }
}

const ask = async ({ world, browser }: Awaited<ReturnType<typeof startWith>>, scope: string) =>
  (await signIn(world, { browser, parameters: { scope } })).tokens.scope

test('a client that asks for what it lacks keeps what it had, and the page says both', async () => {
  const { world, browser } = await startWith('notes.read')
  const { challenge, verifier } = newPkce()
  const page = await browser.get(authorizeUrl(world, challenge, { scope: 'notes.write offline_access' }))
  expect(page.text).toContain('Read your notes')
  expect(page.text).toContain('Change your notes')
  const stop = await browser.walk(page, ['allow'])
  const code = new URL(stop.url).searchParams.get('code') ?? ''
  const answer = (await (await redeem(world, { code, verifier })).json()) as { scope: string }
  expect(answer.scope).toBe('notes.read notes.write offline_access')
})

test('a client that asks for less than it has gets no more than that', async () => {
  expect(await ask(await startWith('notes.read notes.write'), 'notes.read')).toBe('notes.read')
})

test('what was revoked is not kept', async () => {
  const { world, browser } = await startWith()
  const { tokens } = await signIn(world, { browser, parameters: { scope: 'notes.read' } })
  const form = { token: tokens.refresh_token, client_id: world.clientId }
  await fetch(`${world.gateway.url}/oauth/revoke`, { method: 'POST', body: new URLSearchParams(form) })
  expect(await ask({ world, browser }, 'notes.write')).toBe('notes.write')
})

test('what another client has is nobody else’s', async () => {
  const { world, browser } = await startWith('notes.read')
  const other = { ...world, clientId: await registerClient(world.gateway) }
  expect(await ask({ world: other, browser }, 'notes.write')).toBe('notes.write')
})

test('who signs in only after the yes gets what the page said', async () => {
  const { world } = await startWith('notes.read')
  expect(await ask({ world, browser: newBrowser() }, 'notes.write')).toBe('notes.write')
})
