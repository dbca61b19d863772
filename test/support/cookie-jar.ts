import type { Clock } from '../../src/lib/clock.ts'

export type Cookie = {
  name: string
  value: string
  host: string
  /** Whether hosts below this one get it too; absent `Domain`: no. */
  subdomains: boolean
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: 'strict' | 'lax' | 'none'
  /** Absent: it lives as long as the browser. */
  expiresAt: number | undefined
}

/** What decides whether a cookie goes along: where to, how, and whether another site began it. */
export type CookieRequest = { url: URL; method: string; crossSite: boolean }

export type CookieJar = {
  /** Takes what an answer sets, by the rules of RFC 6265bis. What they forbid is dropped, as browsers do. */
  receive(url: URL, lines: readonly string[]): void
  /** The `Cookie` header of a request; absent where none goes along. */
  header(request: CookieRequest): string | undefined
  /** Every live cookie, HttpOnly ones included. */
  list(): Cookie[]
  find(name: string): Cookie | undefined
  /** Puts one in as if it had always been there, to plant what a server never set. */
  plant(cookie: Partial<Cookie> & Pick<Cookie, 'name' | 'value' | 'host'>): void
  clear(): void
}

/** Cookies of all hosts. As in every browser, a port does not separate them. */
export function createCookieJar(clock: Clock): CookieJar {
  const kept = new Map<string, Cookie>()
  const keyOf = ({ name, host, path }: Cookie) => [name, host, path].join(' ')
  const live = () =>
    [...kept.values()].filter(({ expiresAt }) => expiresAt === undefined || expiresAt > clock())
  return {
    receive(url, lines) {
      for (const line of lines) {
        const cookie = readCookie(url, line, clock())
        if (cookie) kept.set(keyOf(cookie), cookie)
      }
    },
    header(request) {
      const sent = live()
        .filter((cookie) => goesAlong(cookie, request))
        .sort((a, b) => b.path.length - a.path.length)
      return sent.length === 0 ? undefined : sent.map(({ name, value }) => `${name}=${value}`).join('; ')
    },
    list: live,
    find: (name) => live().find((cookie) => cookie.name === name),
    plant(cookie) {
      const whole: Cookie = {
        subdomains: false,
        path: '/',
        secure: false,
        httpOnly: false,
        sameSite: 'lax',
        expiresAt: undefined,
        ...cookie,
      }
      kept.set(keyOf(whole), whole)
    },
    clear: () => kept.clear(),
  }
}

function goesAlong(cookie: Cookie, { url, method, crossSite }: CookieRequest): boolean {
  const isHost =
    cookie.host === url.hostname || (cookie.subdomains && url.hostname.endsWith(`.${cookie.host}`))
  const isPath =
    url.pathname === cookie.path ||
    url.pathname.startsWith(cookie.path.endsWith('/') ? cookie.path : `${cookie.path}/`)
  const isSite = !crossSite || cookie.sameSite === 'none' || (cookie.sameSite === 'lax' && method === 'GET')
  return isHost && isPath && isSite && (!cookie.secure || url.protocol === 'https:')
}

function readCookie(url: URL, line: string, now: number): Cookie | undefined {
  const [pair = '', ...parts] = line.split(';').map((part) => part.trim())
  const [name = '', value = ''] = halves(pair)
  const attributes = new Map(
    parts.map((part) => {
      const [key, content = ''] = halves(part)
      return [key.toLowerCase(), content]
    }),
  )
  const domain = attributes.get('domain')?.replace(/^\./, '').toLowerCase()
  const path = attributes.get('path')
  const sameSite = attributes.get('samesite')?.toLowerCase()
  const cookie: Cookie = {
    name,
    value,
    host: domain || url.hostname,
    subdomains: Boolean(domain),
    path: path?.startsWith('/') ? path : (/^(\/.*)\/[^/]*$/.exec(url.pathname)?.[1] ?? '/'),
    secure: attributes.has('secure'),
    httpOnly: attributes.has('httponly'),
    sameSite: sameSite === 'strict' || sameSite === 'none' ? sameSite : 'lax',
    expiresAt: expiryOf(attributes, now),
  }
  return isAllowed(cookie, url) ? cookie : undefined
}

function isAllowed(cookie: Cookie, url: URL): boolean {
  const isSecure = url.protocol === 'https:'
  if (cookie.name === '' || (cookie.secure && !isSecure)) return false
  if (cookie.sameSite === 'none' && !cookie.secure) return false
  if (cookie.subdomains && cookie.host !== url.hostname && !url.hostname.endsWith(`.${cookie.host}`))
    return false
  if (cookie.name.startsWith('__Secure-')) return cookie.secure
  if (cookie.name.startsWith('__Host-')) return cookie.secure && cookie.path === '/' && !cookie.subdomains
  return true
}

function expiryOf(attributes: ReadonlyMap<string, string>, now: number): number | undefined {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return now + Number(maxAge)
  const expires = Date.parse(attributes.get('expires') ?? '')
  return Number.isNaN(expires) ? undefined : expires / 1000
}

function halves(text: string): [string, string?] {
  const at = text.indexOf('=')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
