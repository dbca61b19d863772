import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listed, openRoom, type RoomId, subjectNamed } from '../authorization/steps.ts'
import { type Browser, createBrowser, type Stop } from '../support/browser.ts'
import { runs } from '../support/database.ts'
import { enter, type House, type Person, type Room, startHouse } from '../support/house.ts'
import { claimsOf, newBrowser, redirectUri } from '../support/world.ts'
import { accountUrl, identitiesOf, link, open, press, proofOf, type Subject } from './steps.ts'

let house: House
const room = {} as Record<RoomId, Room>
let bob: Person
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  for (const id of ['notes', 'agenda', 'either'] as const) room[id] = await openRoom(house, id)
})
afterAll(() => house.stop())
beforeEach(() => {
  bob = house.newPerson()
  ada = house.newPerson()
  browser = newBrowser()
})

const linked = async (from: Browser = browser) => await press(house, from, 'github', link('Google'), 'link')

const subOf = (tokens: { access_token: string }) => String(claimsOf(tokens.access_token).sub)

describe('linking an identity', () => {
  test('proves both in one browser, shows who came back, and makes them one person', async () => {
    const found = await press(house, browser, 'github', link('Google'))
    expect(found.text).toContain(`You are signed in here as ${ada.github}.`)
    expect(found.text).toContain(`At Google you came back as ${ada.google}`)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
    const page = await browser.submit(found, { button: 'link' })
    expect(page.text).toContain('You can now sign in that way, too.')
    expect(page.text).toContain(`Google: ${ada.google}`)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`, `google ${ada.google}`])

    const byGithub = await enter(house, room.notes)
    const byGoogle = await enter(house, room.agenda, { presses: ['allow'] })
    expect(subOf(byGoogle.tokens)).toBe(subOf(byGithub.tokens))
    const subjectId = subOf(byGithub.tokens)
    const events = await listed(house, `/audit-events?subject_id=${subjectId}&event=identity.linked`)
    expect(events).toMatchObject([{ actor: `subject:${subjectId}`, provider: 'google' }])
  })

  test('always lets the person choose the account, and asks for nothing but who they are', async () => {
    await press(house, browser, 'github', link('Google'))
    const trip = house.google.calls('GET /o/oauth2/v2/auth').at(-1)?.query
    expect(trip?.prompt).toContain('select_account')
    expect(String(trip?.scope).split(' ').sort()).toEqual(['email', 'openid', 'profile'])
  })

  test('gives a session that counts as one of both providers, under a new secret', async () => {
    await press(house, browser, 'github')
    const before = browser.cookies.find('coatcheck-session')?.value
    await press(house, browser, link('Google'), 'link')
    expect(browser.cookies.find('coatcheck-session')?.value).not.toBe(before)
    const consent = await enter(house, room.agenda, { browser, presses: ['allow'] })
    expect(subOf(consent.tokens)).toBe(await subjectNamed(house, ada.github))
  })

  test('of somebody else changes nothing, for either of them', async () => {
    house.seat(bob)
    const bobs = newBrowser()
    await press(house, bobs, 'google')
    house.seat({ ...ada, google: bob.google })
    const refused = await press(house, browser, 'github', link('Google'))
    expect(refused.status).toBe(409)
    expect(refused.text).toContain('This Google account belongs to somebody else here')
    expect(refused.text).toContain('your account page')
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
    expect(await identitiesOf(house, bob.google)).toEqual([`google ${bob.google}`])
    expect((await open(house, browser)).text).toContain(`Signed in as ${ada.github}`)
  })

  test('that signed somebody else in while the question was open changes nothing', async () => {
    const found = await press(house, browser, 'github', link('Google'))
    // The same account comes by itself, in another browser, and is a person of its own from then on.
    await press(house, newBrowser(), 'google')
    const refused = await browser.submit(found, { button: 'link' })
    expect(refused.status).toBe(409)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
    expect(await identitiesOf(house, ada.google)).toEqual([`google ${ada.google}`])
  })

  test('that is theirs already is no news', async () => {
    await linked()
    const again = await press(house, browser, link('Google'))
    expect(again.url).toBe(`${accountUrl(house)}?done=linked`)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`, `google ${ada.google}`])
  })

  test('never follows from an address: the same verified one at two providers makes two people', async () => {
    house.github.control.addUser({
      id: 77_001,
      login: 'twin-a',
      emails: [{ email: 'twin@gmail.test', primary: true }],
    })
    house.google.control.addUser({ sub: '77001', email: 'twin@gmail.test', name: 'Twin' })
    house.seat({ github: 'twin-a', google: 'twin@gmail.test' })
    await press(house, browser, 'github')
    await press(house, newBrowser(), 'google')
    expect(await subjectNamed(house, 'twin-a')).not.toBe(await subjectNamed(house, 'twin@gmail.test'))
    const refused = await press(house, browser, link('Google'))
    expect(refused.status).toBe(409)
  })

  test('is for the person who began it: a change of people in another tab ends it', async () => {
    const found = await press(house, browser, 'github', link('Google'))
    house.seat(bob)
    const parameters = { prompt: 'login' }
    await enter(house, room.either, { browser, parameters, presses: ['github', 'allow', 'switch'] })
    const refused = await browser.submit(found, { button: 'link' })
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('This page is out of date')
    expect(await identitiesOf(house, bob.github)).toEqual([`github ${bob.github}`])
    expect(await identitiesOf(house, ada.google)).toEqual([])
  })

  test('is not finished by whoever is signed out when they come back', async () => {
    const callback = `${house.gateway.issuer}/oauth/callback/google`
    const stopping = createBrowser({ redirectUris: [redirectUri, callback] })
    await press(house, stopping, 'github')
    const away = await press(house, stopping, link('Google'))
    expect(away.left).toBe(true)
    await press(house, stopping, 'Sign out here')
    const plain = newBrowser()
    for (const cookie of stopping.cookies.list()) plain.cookies.plant(cookie)
    expect((await plain.get(away.url)).status).toBe(400)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  })

  test('a copied callback is nothing in another browser, whoever is signed in there', async () => {
    const callback = `${house.gateway.issuer}/oauth/callback/google`
    const stopping = createBrowser({ redirectUris: [redirectUri, callback] })
    await press(house, stopping, 'github')
    const away = await press(house, stopping, link('Google'))
    house.seat(bob)
    const victim = newBrowser()
    await press(house, victim, 'github')
    expect((await victim.get(away.url)).status).toBe(403)
    expect(await identitiesOf(house, bob.github)).toEqual([`github ${bob.github}`])
  })

  test('nobody is linked by a form that says so: only what came back from a provider counts', async () => {
    const proof = proofOf(await press(house, browser, 'github'))
    const from = accountUrl(house)
    const fields = { action: 'link', proof, provider: 'google', upstream_subject: '1', confirmed: 'yes' }
    const found = await browser.post(from, { ...fields, decision: 'link' }, { from })
    expect(found.text).toContain('Sign in with Google too?')
    const interaction = found.url
    const posted = await browser.post(interaction, { decision: 'link' }, { from: 'https://evil.test/' })
    expect(posted.status).toBe(403)
    expect((await browser.post(from, { action: 'link', proof, provider: 'nothing' }, { from })).status).toBe(
      400,
    )
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  })
})

describe('removing a way to sign in', () => {
  test('keeps the person, signs other browsers out, and the account is nobody’s afterwards', async () => {
    await linked()
    const other = newBrowser()
    await press(house, other, 'google')
    const subjectId = await subjectNamed(house, ada.github)
    const asked = await press(house, browser, /^Remove Google/)
    expect(asked.text).toContain('No longer sign in with Google?')
    expect(await identitiesOf(house, ada.github)).toHaveLength(2)
    const page = await browser.submit(asked)
    expect(page.text).toContain('That way to sign in is gone.')
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
    expect((await open(house, other)).text).toContain('Sign in to your account page')
    await press(house, other, 'google')
    expect(await subjectNamed(house, ada.google)).not.toBe(subjectId)
    const events = await listed(house, `/audit-events?subject_id=${subjectId}&event=identity.unlinked`)
    expect(events).toMatchObject([{ actor: `subject:${subjectId}`, provider: 'google' }])
  })

  test('signs out here as well where this session was made by that way alone', async () => {
    await linked()
    const by = newBrowser()
    await press(house, by, 'google')
    const page = await by.submit(await press(house, by, /^Remove Google/))
    expect(page.text).toContain('Sign in to your account page')
  })

  test('never takes the last, nor one of somebody else', async () => {
    const page = await press(house, browser, 'github')
    expect(page.text).not.toContain('Remove')
    await press(house, browser, link('Google'), 'link')
    house.seat(bob)
    await press(house, newBrowser(), 'google')
    const from = accountUrl(house)
    const proof = proofOf(await open(house, browser))
    const others = { action: 'unlink', proof, confirmed: 'yes' }
    const keys = await house.gateway
      .running()
      .gateway.store.subjects.listIdentities((await subjectNamed(house, ada.github)) ?? '')
    const mine = (provider: string): Record<string, string> => {
      const key = keys.find((each) => each.provider === provider)
      return { provider, issuer: key?.issuer ?? '', upstream_subject: key?.upstreamSubject ?? '' }
    }
    const google = { provider: 'google', issuer: house.google.issuer, upstream_subject: '1' }
    expect((await browser.post(from, { ...others, ...google }, { from })).status).toBe(400)
    for (const provider of ['google', 'github']) {
      await browser.post(from, { ...others, ...mine(provider) }, { from })
    }
    expect(await identitiesOf(house, ada.github)).toHaveLength(1)
  })

  test('two at once never take both', async () => {
    await linked()
    const subjectId = (await subjectNamed(house, ada.github)) ?? ''
    const { subjects } = house.gateway.running().gateway.store
    const identities = await subjects.listIdentities(subjectId)
    const gone = await Promise.all(
      identities.map((identity, index) =>
        subjects.removeIdentity(
          subjectId,
          identity,
          { secretHash: 'none', signIns: {} },
          {
            id: `unlink-${subjectId}-${index}`,
            at: 1,
            event: 'identity.unlinked',
            actor: 'test',
            outcome: 'ok',
            detail: {},
          },
        ),
      ),
    )
    expect(gone.toSorted()).toEqual([false, true])
    expect(await subjects.listIdentities(subjectId)).toHaveLength(1)
  })
})

test('in whatever order two people press what they find, nobody gets what is another’s', async () => {
  const presses = [
    'github',
    'google',
    'link',
    'back',
    'switch',
    'Sign out here',
    /^Remove/,
    'yes',
    'too',
  ] as const
  const step = fc.record({
    late: fc.boolean(),
    who: fc.nat(1),
    at: fc.nat(1),
    press: fc.nat(presses.length - 1),
    seat: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      const people = [house.newPerson(), house.newPerson()]
      const browsers = [newBrowser(), newBrowser()]
      const pages: (Stop | undefined)[] = [undefined, undefined]
      const owners = new Map<string, string>()
      const known = new Map<string, number>()
      for (const { who, at, press: which, seat, late } of steps) {
        if (late) house.clock.advance(400)
        const from = browsers[at] ?? browser
        const person = people[who]
        if (seat && person) house.seat(person)
        const wanted = presses[which] ?? 'github'
        const page = pages[at] ?? (await open(house, from))
        const buttons = page.forms.flatMap(({ buttons }) => buttons)
        const fitting = buttons.filter(({ text, value }) =>
          wanted === 'too'
            ? text.endsWith(' too')
            : wanted instanceof RegExp
              ? wanted.test(text)
              : text === wanted || value === wanted,
        )
        const button = fitting[which % Math.max(1, fitting.length)]
        pages[at] = button ? await from.submit(page, { button: button.text }) : undefined
        expect(pages[at]?.status ?? 200).toBeLessThan(500)
        for (const { id, identities } of await listed<Subject>(house, '/subjects?limit=10')) {
          for (const { provider, label } of identities) {
            const account = `${provider} ${label}`
            const before = owners.get(account)
            const isMoved = before !== undefined && before !== id
            // An account changes hands only by way of being nobody's: removed first, then signed in anew.
            if (isMoved) expect(await identitiesOfId(before)).not.toContain(account)
            owners.set(account, id)
          }
          expect(identities.length).toBeGreaterThan(0)
          const before = known.get(id) ?? identities.length
          if (identities.length !== before) await expectRecentSignIn(id)
          known.set(id, identities.length)
        }
      }
    }),
    { numRuns: runs(6) },
  )
})

/** Ten minutes before the trip that changed something, which may have taken ten itself. */
async function expectRecentSignIn(id: string): Promise<void> {
  const events = await listed<{ event: string; at: number }>(house, `/audit-events?subject_id=${id}`)
  const signIns = events.filter(({ event }) => ['subject.created', 'subject.signed_in'].includes(event))
  expect(signIns.map(({ at }) => at).some((at) => house.clock.now() - at <= 1200)).toBe(true)
}

async function identitiesOfId(id: string): Promise<string[]> {
  const found = await house.gateway.running().gateway.store.subjects.listIdentities(id)
  return found.map(({ provider, label }) => `${provider} ${label}`)
}
