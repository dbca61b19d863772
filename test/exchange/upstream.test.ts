import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askExchange } from '../support/faces.ts'
import { enter, type Stay, upstreamClient, visit } from '../support/house.ts'
import { basic as basicOf, claimsOf, newBrowser, registerClient, retrieve } from '../support/world.ts'
import {
  arrive,
  askForLink,
  define,
  definitions,
  exchange,
  type Office,
  openOffice,
  relay,
  upstreamToken,
} from './steps.ts'

// Calling another MCP server lends it nothing: it reaches what the person gave the same client there themselves.

let office: Office
beforeAll(async () => {
  office = await openOffice()
})
afterAll(() => office.stop())

const tsidOf = (token: string) => String(claimsOf(token).tsid)

/** A person at the desk, and their token for the agenda. */
async function called(scope?: string) {
  const stay = await arrive(office, 'desk')
  const { body } = await exchange(
    office,
    ['desk', 'agenda'],
    stay.tokens.access_token,
    scope ? { scope } : {},
  )
  const token = String(body.access_token)
  return { stay, token, tsid: tsidOf(token) }
}

const useAgenda = async ({ browser }: Stay, more: Parameters<typeof enter>[2] = {}) =>
  await enter(office, office.rooms.agenda, { browser, ...more })

const nothing = {
  error: 'interaction_required',
  error_description: expect.any(String),
  error_code: 'not_connected',
  who_must_act: 'user',
  reason: 'no_consent',
}

describe('where the person never used the server that is called', () => {
  test('nothing is reached, and no link would help', async () => {
    const { token, tsid } = await called()
    const { credential } = office.rooms.agenda
    const before = office.github.log().length
    const rest = await upstreamToken(office, 'agenda', tsid)
    expect([rest.status, rest.body]).toEqual([404, nothing])
    const ask = { credential, tsid, userToken: token, provider: 'github' }
    const face = await askExchange(office.gateway, ask)
    expect([face.status, face.body]).toEqual([400, nothing])
    const link = await askForLink(office, 'agenda', tsid)
    expect([link.status, link.body]).toEqual([404, nothing])
    expect(office.github.log()).toHaveLength(before)
  })

  test('though another client may use it for them, or this one for somebody else', async () => {
    const { stay, tsid } = await called()
    await useAgenda(stay, { clientId: await registerClient(office.gateway) })
    office.newPerson()
    await useAgenda({ ...stay, browser: newBrowser() })
    expect((await upstreamToken(office, 'agenda', tsid)).body).toEqual(nothing)
  })

  test('though they said yes there, and the client never came for its tokens', async () => {
    const { stay, tsid } = await called()
    const { stop } = await visit(office, office.rooms.agenda, { browser: stay.browser })
    expect(stop.left).toBe(true)
    expect((await upstreamToken(office, 'agenda', tsid)).body).toEqual(nothing)
  })
})

describe('where the person uses it by the same client', () => {
  test('it has of them what it was given itself, and nothing of the caller’s', async () => {
    const { stay, tsid } = await called()
    const own = await useAgenda(stay)
    const ofOwn = await upstreamToken(office, 'agenda', own.tsid)
    const reached = await upstreamToken(office, 'agenda', tsid)
    expect(reached.status).toBe(200)
    expect(reached.body.access_token).toBe(ofOwn.body.access_token)
    expect(reached.body.scope).toBe('gist read:user user:email')
    const ofDesk = await upstreamToken(office, 'desk', stay.tsid)
    expect(ofDesk.body.scope).toContain('repo')
    expect(ofDesk.body.access_token).not.toBe(reached.body.access_token)
    // The ticket opens nothing for who made the call.
    expect((await upstreamToken(office, 'desk', tsid)).status).toBe(404)
    expect((await upstreamToken(office, 'agenda', stay.tsid)).status).toBe(404)
  })

  test('that ends at once with what the person gave', async () => {
    const { stay, tsid } = await called()
    const own = await useAgenda(stay)
    const { items } = await office.gateway.admin('GET', `/token-sessions?resource_id=agenda&limit=1`)
    expect((await upstreamToken(office, 'agenda', tsid)).status).toBe(200)
    const [session] = items as { id: string }[]
    await office.gateway.admin('DELETE', `/token-sessions/${session?.id}`)
    expect((await upstreamToken(office, 'agenda', own.tsid)).status).toBe(404)
    expect((await upstreamToken(office, 'agenda', tsid)).body).toEqual(nothing)
  })

  test('that stops while what the person gave does not stand, though the call itself would', async () => {
    const { stay, tsid } = await called('agenda.read')
    await useAgenda(stay)
    const [github, calendar] = definitions.agenda.providers
    const providers = [github, { ...calendar, required: true }]
    await define(office, 'agenda', { ...definitions.agenda, providers })
    const google = {
      descriptor: 'google',
      variables: { issuer: office.google.issuer },
      client_id: upstreamClient.clientId,
      admit: 'anyone',
    }
    await office.gateway.admin('PUT', '/providers/google', { ...google, enabled: false })
    expect((await upstreamToken(office, 'agenda', tsid)).body).toEqual(nothing)
    await office.gateway.admin('PUT', '/providers/google', google)
    expect((await upstreamToken(office, 'agenda', tsid)).status).toBe(200)
    await define(office, 'agenda')
  })

  test('no more than the scopes of the call involve', async () => {
    const { stay, tsid } = await called('agenda.read')
    const own = await useAgenda(stay)
    expect((await upstreamToken(office, 'agenda', own.tsid, 'google')).status).toBe(200)
    expect((await upstreamToken(office, 'agenda', tsid, 'google')).body.error_code).toBe('not_allowed')
    expect((await askForLink(office, 'agenda', tsid, 'google')).body.error_code).toBe('not_allowed')
    expect((await upstreamToken(office, 'agenda', tsid)).status).toBe(200)
    const wider = await exchange(office, ['desk', 'agenda'], stay.tokens.access_token)
    const widerTsid = tsidOf(String(wider.body.access_token))
    expect((await upstreamToken(office, 'agenda', widerTsid, 'google')).status).toBe(200)
  })

  test('a link brings what it brings to the session the person gave', async () => {
    const { stay, tsid } = await called()
    const own = await useAgenda(stay)
    const { status, body } = await askForLink(office, 'agenda', tsid)
    expect(status).toBe(200)
    const state = async () => {
      const session = { ...office.rooms.agenda, gateway: office.gateway }
      const response = await fetch(
        `${office.gateway.url}/v1/token-sessions/${tsid}/connect/${String(body.ticket)}`,
        { headers: { authorization: basicOf(session.credential) } },
      )
      return (await response.json()) as Record<string, unknown>
    }
    expect(await state()).toEqual({ state: 'pending', provider: 'github' })
    await stay.browser.walk(String(body.connect_url), ['continue', 'github', 'allow'])
    expect(await state()).toEqual({ state: 'completed', provider: 'github' })
    expect((await upstreamToken(office, 'agenda', tsid)).status).toBe(200)
    expect((await upstreamToken(office, 'agenda', own.tsid)).status).toBe(200)
  })

  test('each release is in the record under the session it was for', async () => {
    const { stay, tsid, token } = await called()
    await useAgenda(stay)
    await upstreamToken(office, 'agenda', tsid)
    const { items } = await office.gateway.admin(
      'GET',
      `/audit-events?event=upstream_token.released&subject_id=${claimsOf(token).sub}`,
    )
    expect(items).toMatchObject([{ resource_id: 'agenda', client_id: office.clientId, provider: 'github' }])
  })

  test('the person’s token may be needed, and is the one of the call', async () => {
    await define(office, 'agenda', { ...definitions.agenda, require_user_token: true })
    const { stay, tsid, token } = await called()
    const own = await useAgenda(stay)
    const world = { gateway: office.gateway, credential: office.rooms.agenda.credential, provider: 'github' }
    const withToken = async (sent: string) =>
      (await retrieve(world, tsid, { headers: { 'coatcheck-user-token': sent } })).status
    expect((await retrieve(world, tsid)).status).toBe(401)
    expect(await withToken(token)).toBe(200)
    expect(await withToken(own.tokens.access_token)).toBe(401)
    expect(await withToken(stay.tokens.access_token)).toBe(401)
    await define(office, 'agenda')
  })

  test('further along the way it is the same', async () => {
    const { stay, token } = await called()
    const mail = await relay(office, ['agenda', 'mail'], token)
    expect((await upstreamToken(office, 'mail', tsidOf(mail))).body).toEqual(nothing)
    await enter(office, office.rooms.mail, { browser: stay.browser })
    expect((await upstreamToken(office, 'mail', tsidOf(mail))).status).toBe(200)
  })
})
