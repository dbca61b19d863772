import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientDocument, startDocumentHost } from '../support/document-host.ts'
import { redirectUri, registerClient, startWorld, type World } from '../support/world.ts'
import { ask, askForTokens, authorize, deadToken } from './client.ts'

// Some clients keep an id for ever, and hear nothing of a page that their person is shown.

let world: World
beforeAll(async () => {
  world = await startWorld('google')
})
afterAll(() => world.stop())

const day = 86_400

async function use(clientId: string): Promise<void> {
  const { answer, verifier } = await authorize(world.gateway, clientId, redirectUri, {})
  const proof = { grant_type: 'authorization_code', code: answer.get('code') ?? '', code_verifier: verifier }
  expect(await askForTokens(world.gateway, { client_id: clientId }, proof)).toMatchObject({ status: 200 })
}

const pageOf = async (clientId: string) =>
  (await ask(world.gateway, clientId, { redirect_uri: redirectUri })).page

async function isKnown(clientId: string): Promise<boolean> {
  const { text } = await pageOf(clientId)
  const form = { grant_type: 'refresh_token', refresh_token: deadToken }
  const { status, body } = await askForTokens(world.gateway, { client_id: clientId }, form)
  const isUnknown = text.includes('We do not know this client')
  expect([status, body.error]).toEqual(isUnknown ? [401, 'invalid_client'] : [400, 'invalid_grant'])
  return !isUnknown
}

/** What anybody can do in any client, and nothing that only one of them has. */
async function expectWayBack(clientId: string): Promise<void> {
  const page = await pageOf(clientId)
  expect([page.left, page.status, page.headers.get('location')]).toEqual([false, 400, null])
  expect(page.text).toContain('We do not know this client')
  expect(page.text).toContain(
    'find the list of MCP servers (it may call them connectors, integrations or tools)',
  )
  expect(page.text).toContain('Sign out of this one there, or clear its authentication')
  expect(page.text).toContain('remove it and add it again with the same address')
  expect(page.text).toContain('ask the administrator')
  expect(page.text).not.toContain(clientId)
}

test('whoever comes with a registration that is not there is told what to do in their client', async () => {
  await expectWayBack(`client_${'A'.repeat(22)}`)
  await expectWayBack('9d1c250a-e61b-44d9-88ed-5944d1962f5e')
  const deleted = await registerClient(world.gateway)
  await world.gateway.admin('DELETE', `/clients/${deleted}`)
  await expectWayBack(deleted)
  const disabled = await registerClient(world.gateway)
  await world.gateway.admin('PATCH', `/clients/${disabled}`, { enabled: false })
  await expectWayBack(disabled)
  const { page } = await ask(world.gateway, '<script>alert(1)</script>', {
    redirect_uri: 'https://evil.test/',
  })
  expect([page.status, page.html.includes('<script>alert')]).toEqual([400, false])
})

test('whose client is disabled while they decide is told the same', async () => {
  const clientId = await registerClient(world.gateway)
  const { page, browser } = await ask(world.gateway, clientId, { redirect_uri: redirectUri })
  await world.gateway.admin('PATCH', `/clients/${clientId}`, { enabled: false })
  expect((await browser.submit(page, { button: 'Allow' })).text).toContain('remove it and add it again')
})

test('a client that no policy can bring back is for the administrator', async () => {
  const host = await startDocumentHost()
  const id = `${host.origin}/client.json`
  host.serve('/client.json', { body: clientDocument(id) })
  await use(id)
  await world.gateway.admin('PATCH', `/clients/${encodeURIComponent(id)}`, { enabled: false })
  await host.stop()
  const { status, text } = await pageOf(id)
  expect([status, text.includes('remove it and add it again')]).toEqual([400, false])
  expect(text).toContain('Ask the administrator to add your MCP client')
})

test('a registration that nobody uses lasts a day, and one that was used more than a year after its last use', async () => {
  const unused = await registerClient(world.gateway)
  const opened = await registerClient(world.gateway)
  const once = await registerClient(world.gateway)
  const again = await registerClient(world.gateway)
  // A link that anybody can open, and a code that nobody redeems, keep nothing alive.
  await authorize(world.gateway, opened, redirectUri, {})
  await use(once)
  await use(again)
  world.clock.advance(day - 60)
  expect(await isKnown(unused)).toBe(true)
  world.clock.advance(120)
  expect([await isKnown(unused), await isKnown(opened)]).toEqual([false, false])
  await expectWayBack(unused)
  world.clock.advance(366 * day)
  expect([await isKnown(once), await isKnown(again)]).toEqual([true, true])
  await use(again)
  world.clock.advance(34 * day)
  expect([await isKnown(once), await isKnown(again)]).toEqual([false, true])
  world.clock.advance(365 * day)
  expect(await isKnown(again)).toBe(true)
})
