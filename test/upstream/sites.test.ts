import { describe, expect, test } from 'vitest'
import { connect, testUpstream, tokensOf } from '../support/upstream.ts'
import { atlassianWith } from '../support/upstream-standins.ts'

const list = 'GET /oauth/token/accessible-resources'
const scopes = ['read:jira-work']

async function sitesListedAs(body: unknown, tokenEndpoint?: string) {
  const { standin, provider } = await atlassianWith()
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider, { scopes }))
  standin.control.script({ on: list, effect: { kind: 'respond', status: 200, body: JSON.stringify(body) } })
  const sites = await upstream.findSites(
    provider,
    { ...tokens, ...(tokenEndpoint !== undefined && { tokenEndpoint }) },
    scopes,
  )
  return { sites, asked: standin.calls(list).length }
}

describe('a list of sites', () => {
  test('names each once, though it stands there for each of its products', async () => {
    const entry = { id: 'a1', name: 'Acme', url: 'https://acme.test' }
    const { sites } = await sitesListedAs([
      { ...entry, scopes: ['read:jira-work'] },
      { ...entry, scopes: ['search:confluence'] },
      { id: 7, name: 'Seven' },
    ])
    expect(sites).toEqual([entry, { id: '7', name: 'Seven' }])
  })

  test.each([
    ['http://acme.test', undefined],
    ['javascript:alert(1)', undefined],
    ['https://somebody@acme.test', undefined],
    [`https://acme.test/${'x'.repeat(500)}`, undefined],
    [7, undefined],
    ['https://acme.test/wiki', 'https://acme.test/wiki'],
  ])('with the address %j has %j to build calls from', async (address, url) => {
    const { sites } = await sitesListedAs([{ id: 'a1', name: 'Acme', url: address }])
    expect(sites).toEqual([{ id: 'a1', name: 'Acme', ...(url !== undefined && { url }) }])
  })

  test.each([
    ['\u0000\u202E', 'a1'],
    [null, 'a1'],
    ['Ac\u0000me\n', 'Acme'],
    ['x'.repeat(300), expect.stringMatching(/^x+…$/)],
  ])('with the name %j shows what can be read', async (name, shown) => {
    const { sites } = await sitesListedAs([{ id: 'a1', name }])
    expect(sites).toEqual([{ id: 'a1', name: shown }])
  })

  test.each([
    ['an entry that names none', [{ id: 'a1', name: 'Acme' }, { name: 'Umbrella' }]],
    ['an id that is none', [{ id: 'a b\u0000', name: 'Acme' }]],
    ['an entry that is no object', ['a1']],
    ['more than anybody has', Array.from({ length: 201 }, (_, index) => ({ id: `s${index}` }))],
    ['no list at all', { sites: [] }],
  ])('with %s is not understood, rather than in part', async (_what, body) => {
    expect((await sitesListedAs(body)).sites).toBeUndefined()
  })

  test('is empty only where the provider says so', async () => {
    expect((await sitesListedAs([])).sites).toEqual([])
  })

  test('is not asked for with a token of another host', async () => {
    const { sites, asked } = await sitesListedAs([], 'https://elsewhere.test/oauth/token')
    expect({ sites, asked }).toEqual({ sites: undefined, asked: 0 })
  })
})
