import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { html } from '../../src/lib/html.ts'
import { choosePage } from '../../src/pages/choose.ts'
import { type ConsentProps, consentPage, type ProviderAsked } from '../../src/pages/consent.ts'
import { interstitialPage } from '../../src/pages/interstitial.ts'
import { pageHeaders } from '../../src/pages/layout.ts'
import { hostile, pageSamples } from '../support/page-samples.ts'

const samples = [...pageSamples].map(([name, page]) => [name, String(page)] as const)

/** Every tag of a page, without the stylesheet. */
const tagsOf = (page: string) =>
  [...page.replace(/<style>[\s\S]*?<\/style>/, '').matchAll(/<[^>]*>/g)].map((match) => match[0])

const consent: ConsentProps = {
  action: '/here',
  fields: { request: 'r1', 'a"b': '<c>' },
  client: { name: 'Helper', assured: 'unverified', redirect: { kind: 'web', host: 'helper.example' } },
  mcpServer: { name: 'Desk', uri: 'https://desk.example/mcp' },
  scopes: [{ id: 'files.read', sentence: 'Read your files' }],
  providers: [],
  person: { state: 'signed in', label: 'maria' },
  issuerHost: 'auth.example',
  accountUrl: '/account',
}

/** What a reader sees: the text without tags, entities undone as far as we write them. */
function textOf(page: unknown): string {
  const body = String(page).replace(/^[\s\S]*<\/header>/, '')
  return body
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .replace(/ ([.,”?])/g, '$1')
    .replace(/“ /g, '“')
}

describe.each(samples)('the page %s', (_name, page) => {
  test('holds no script, no handler, no style attribute and nothing from elsewhere', () => {
    for (const tag of tagsOf(page)) {
      expect(tag).not.toMatch(/^<(script|iframe|object|embed|base|img)/i)
      expect(tag.replace(/"[^"]*"/g, '""')).not.toMatch(/\s(on\w+|style|src|srcdoc|formaction)=/i)
    }
    expect(page).not.toContain('@import')
    expect(page).not.toContain('url(')
  })

  test('has quoted attributes and balanced tags', () => {
    const open: string[] = []
    for (const tag of tagsOf(page)) {
      expect(tag).toMatch(/^<(!doctype html|\/[a-z]\w*|[a-z]\w*( [a-z-]+(="[^"<]*")?)*( ?\/)?)>$/i)
      const name = /^<\/?([a-z]\w*)/.exec(tag)?.[1] ?? ''
      if (['', 'meta', 'link', 'input', 'path'].includes(name)) continue
      if (tag.startsWith('</')) expect(open.pop()).toBe(name)
      else open.push(name)
    }
    expect(open).toEqual([])
  })

  test('says its language and title, fits a phone, and has one heading of the first rank', () => {
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/)
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
    expect(page).toMatch(/<title>[^<]+ · Coatcheck<\/title>/)
    expect(page.match(/<h1>/g)).toHaveLength(1)
    expect(page.match(/<main /g)).toHaveLength(1)
    expect(page.match(/<h1>/)?.index).toBeLessThan(page.match(/<h2>/)?.index ?? Number.POSITIVE_INFINITY)
  })

  test('gives every button and box a name', () => {
    for (const [, content] of page.matchAll(/<button [^>]*>([\s\S]*?)<\/button>/g)) {
      expect(textOf(content).trim()).not.toBe('')
    }
    const boxes = page.match(/<input type="checkbox"/g) ?? []
    expect(page.match(/<label [^>]*><input type="checkbox"/g) ?? []).toHaveLength(boxes.length)
  })

  test('shows no invisible or turning characters', () => {
    const shown = page.replace(/<form [^>]*>|<input [^>]*>|<a [^>]*>|<button [^>]*>/g, '')
    expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })

  test('speaks without our own jargon', () => {
    const [forPeople] = page.split('<dl class="technical">')
    expect(textOf(forPeople)).not.toMatch(/\b(tsid|grant|scopes?|resource|upstream|token|OAuth|subject)\b/i)
  })
})

test('no two kinds of page have the same title, so that tabs can be told apart', () => {
  const kinds = samples.filter(([name]) => !/-(hostile|long|with-code)$/.test(name))
  const titles = new Map<string, Set<string>>()
  for (const [name, page] of kinds) {
    const title = /<title>(.*?) · Coatcheck<\/title>/.exec(page)?.[1] ?? ''
    const kind = name.startsWith('error-') ? name.replace(/-registers-.*/, '') : name.replace(/-.*/, '')
    titles.set(title, (titles.get(title) ?? new Set()).add(kind))
  }
  const shared = [...titles].filter(([, sharing]) => sharing.size > 1)
  expect(shared).toEqual([])
})

describe('the headers of a page', () => {
  const form = html`<form method="post" action="/x"></form>`
  const plain = html`<p>${'<form method="post">'}</p>`

  test('allow exactly the stylesheet that stands in the page', () => {
    const style = /<style>([\s\S]*?)<\/style>/.exec(String(consentPage(consent)))?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    expect(pageHeaders(plain)['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; frame-ancestors 'none'`,
    )
  })

  test('let a form name its origin, and nothing else', () => {
    expect(pageHeaders(form)['referrer-policy']).toBe('same-origin')
    expect(pageHeaders(plain)['referrer-policy']).toBe('no-referrer')
  })

  test('forbid frames, caches and sniffing, and keep the window that opened us', () => {
    expect(pageHeaders(plain)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'unsafe-none',
    })
  })
})

describe('the consent page', () => {
  test('carries the hidden fields in both of its forms, escaped', () => {
    const page = String(consentPage(consent))
    expect(page.split('<input type="hidden" name="request" value="r1">')).toHaveLength(3)
    expect(page.split('<input type="hidden" name="a&quot;b" value="&lt;c&gt;">')).toHaveLength(3)
  })

  test('offers Deny before Allow, so that the Enter key never allows', () => {
    const page = String(consentPage(consent))
    expect([...page.matchAll(/name="decision" value="(\w+)"/g)].map((match) => match[1])).toEqual([
      'switch',
      'deny',
      'allow',
    ])
  })

  test('names who asks, how sure we are, where the answer goes, and for which MCP server', () => {
    const text = textOf(consentPage(consent))
    expect(text).toContain('“Helper” Not verified: it chose this name itself')
    expect(text).toContain('Sends you back to helper.example')
    expect(text).toContain('https://desk.example/mcp')
    expect(text).toContain('Read your files files.read')
    expect(text).toContain('Signed in as maria.')
  })

  test('says what its administrator or its own host vouch for', () => {
    const client = { ...consent.client, host: 'helper.example' }
    const said = (assured: 'registered by the administrator' | 'published at its host') =>
      textOf(consentPage({ ...consent, client: { ...client, assured } }))
    expect(said('registered by the administrator')).toContain('Registered here by the administrator')
    expect(said('published at its host')).toContain('Published by helper.example')
    expect(said('published at its host')).not.toContain('Not verified')
  })

  test.each([
    [{ kind: 'loopback', host: 'localhost:1234' } as const, 'A program on this computer localhost:1234'],
    [{ kind: 'app', scheme: 'cursor' } as const, 'An app on this device cursor:'],
  ])('warns when the answer goes to this device: %o', (redirect, place) => {
    const text = textOf(consentPage({ ...consent, client: { ...consent.client, redirect } }))
    expect(text).toContain(place)
    expect(text).toContain('Did you start this yourself, just now?')
  })

  test('gives no warning for a web redirect', () => {
    expect(textOf(consentPage(consent))).not.toContain('Did you start this yourself')
  })

  test('lists rights with plain words and the raw right, and only optional providers have a box', () => {
    const provider = {
      id: 'p1',
      name: 'Forge',
      purpose: 'work' as const,
      rights: [{ scope: 'repo', label: 'Change code' }, { scope: 'x:y' }],
    }
    const page = consentPage({
      ...consent,
      providers: [
        { ...provider, need: 'required', identityScopes: ['who:read'] },
        {
          ...provider,
          id: 'p2',
          name: 'Cal',
          need: 'optional',
          identityScopes: [],
          stayConnected: {},
          account: 'm@x',
        },
      ],
    })
    const text = textOf(page)
    expect(text).toContain('At Forge, Desk could Change code repo x:y')
    expect(text).toContain('Coatcheck and Desk will also know who you are there. who:read')
    expect(text).toContain('Stay connected while you are away You are connected there as m@x.')
    expect(text).toContain('“Helper” never gets a key to Forge or Cal.')
    expect(String(page).match(/type="checkbox" name="provider" value="\w+" checked/g)).toEqual([
      'type="checkbox" name="provider" value="p2" checked',
    ])
  })

  test('says that a provider which only signs in tells us who the person is, and gives the MCP server nothing', () => {
    const provider: ProviderAsked = {
      id: 'p1',
      name: 'Forge',
      purpose: 'sign in',
      need: 'required',
      rights: [],
      identityScopes: ['openid'],
    }
    const text = textOf(consentPage({ ...consent, providers: [provider] }))
    expect(text).toContain('At Forge, Coatcheck could Know who you are there openid')
    expect(text).not.toContain('At Forge, Desk')
  })

  test('does not promise powerlessness where the provider knows no scopes', () => {
    const provider: ProviderAsked = {
      id: 'p1',
      name: 'Forge',
      purpose: 'work',
      need: 'required',
      rights: [],
      identityScopes: [],
    }
    expect(textOf(consentPage({ ...consent, providers: [provider] }))).toContain(
      'At Forge, Desk could Use your account, as far as Forge lets Coatcheck',
    )
  })

  test('says where a person without a session will go, and offers no switch', () => {
    const page = consentPage({ ...consent, person: { state: 'signs in at', providerName: 'Forge' } })
    expect(textOf(page)).toContain('You will be sent to Forge to sign in.')
    expect(String(page)).not.toContain('value="switch"')
  })

  test('calls a client without a name just that', () => {
    for (const name of [undefined, '', '\u200B\u3164']) {
      const { name: _, ...client } = consent.client
      const page = consentPage({ ...consent, client: name === undefined ? client : { ...client, name } })
      expect(textOf(page)).toContain('A client without a name asks to use Desk for you')
    }
  })
})

test('the choice has one button for each provider, in order', () => {
  const providers = [
    { id: 'b', name: 'Second' },
    { id: 'a"', name: 'First' },
  ]
  const page = String(choosePage({ ...consent, providers }))
  expect(
    [...page.matchAll(/name="provider" value="([^"]*)">Sign in with (\w+)/g)].map(([, ...found]) => found),
  ).toEqual([
    ['b', 'Second'],
    ['a&quot;', 'First'],
  ])
})

describe('the page before an unapproved address', () => {
  const shown = (continueUrl: string) =>
    String(
      interstitialPage({ client: consent.client, reason: 'No.', continueUrl, issuerHost: 'auth.example' }),
    )

  test('names the host and links exactly the given URL', () => {
    const page = shown('https://helper.example:8443/cb?error=x&state=%22')
    expect(page).toContain('href="https://helper.example:8443/cb?error=x&amp;state=%22"')
    expect(textOf(page)).toContain('Continue to helper.example:8443')
  })

  test.each(['javascript:alert(1)', 'data:text/html,x', ' javascript:alert(1)', 'cursor://x', hostile, ''])(
    'gives no link to %j',
    (url) => {
      expect(shown(url)).not.toContain('<a ')
    },
  )
})

test('no template leaves an attribute unquoted', () => {
  for (const file of globSync('src/pages/*.ts')) expect(readFileSync(file, 'utf8')).not.toMatch(/\w=\$\{/)
})
