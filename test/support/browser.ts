import { isLoopbackHost } from '../../src/lib/address.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { type CookieJar, createCookieJar } from './cookie-jar.ts'
import {
  asPress,
  described,
  type FieldValues,
  fillIn,
  fits,
  hasButton,
  leftTo,
  type Press,
  parametersOf,
  readPage,
  type Stop,
  withoutQuery,
} from './page.ts'

export { callbackOf, described, type FieldValues, type Press, type Stop } from './page.ts'

export type RequestOptions = {
  headers?: Record<string, string>
  /** The page the request comes from; absent: the person typed the address. */
  from?: string
}

export type BrowserStep = { method: string; url: string; status: number; milliseconds: number }

export type BrowserOptions = {
  /** The clients' redirect URIs: a redirect to one of them, whatever its query, is where the browser stops. */
  redirectUris?: readonly string[]
  /** Where an origin is really served, as if by a proxy: `{ 'https://gate.test': 'http://127.0.0.1:4000' }`. */
  served?: Record<string, string>
  clock?: Clock
  /** Told every single request. */
  onStep?: (step: BrowserStep) => void
}

export type Browser = {
  cookies: CookieJar
  /** Every request so far, oldest first. */
  steps: BrowserStep[]
  /** Opens an address and follows its redirects. */
  get(url: string, options?: RequestOptions): Promise<Stop>
  /** Posts a form that need not be on any page. */
  post(url: string, fields: FieldValues | URLSearchParams, options?: RequestOptions): Promise<Stop>
  /** Presses a button of a page, by default sending the form as it stands. */
  submit(page: Stop, press?: Press): Promise<Stop>
  /** Follows a link of a page by its text. */
  follow(page: Stop, text: string | RegExp): Promise<Stop>
  /** Goes on from an address or a page, pressing on each page the first of these buttons it has, until none fits. */
  walk(start: string | Stop, presses: readonly (string | Press)[]): Promise<Stop>
}

const mostRedirects = 20
const mostPages = 20

/**
 * A browser without script, for tests: it keeps cookies, says where requests come from as browsers do (`Origin`,
 * `Sec-Fetch-Site`), never leaves this machine, and stops with an error rather than run in circles.
 */
export function createBrowser(options: BrowserOptions = {}): Browser {
  const { redirectUris = [], served = {}, clock = systemClock, onStep } = options
  const cookies = createCookieJar(clock)
  const steps: BrowserStep[] = []

  async function request(
    url: URL,
    method: string,
    body: string | undefined,
    chain: Chain,
  ): Promise<Response> {
    const address = new URL(served[url.origin] ?? url.origin)
    if (!isLoopbackHost(address.hostname)) throw new Error(`the browser does not leave this machine: ${url}`)
    const site = siteOf(chain, url)
    const cookie = cookies.header({ url, method, crossSite: site === 'cross-site' })
    const began = performance.now()
    const response = await fetch(new URL(url.pathname + url.search, address), {
      method,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
      headers: {
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        'user-agent': 'coatcheck-test-browser',
        'sec-fetch-site': site,
        ...(cookie === undefined ? {} : { cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(method === 'POST' && chain.from !== undefined ? { origin: new URL(chain.from).origin } : {}),
        ...chain.headers,
      },
    })
    cookies.receive(url, response.headers.getSetCookie())
    const milliseconds = Math.round(performance.now() - began)
    const step = { method, url: url.href, status: response.status, milliseconds }
    steps.push(step)
    onStep?.(step)
    return response
  }

  function leaves(url: URL): boolean {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return true
    if (redirectUris.some((uri) => withoutQuery(uri) === withoutQuery(url.href))) return true
    return served[url.origin] === undefined && !isLoopbackHost(url.hostname)
  }

  async function go(
    start: string,
    method: string,
    body: string | undefined,
    sent: RequestOptions,
  ): Promise<Stop> {
    const chain: Chain = { from: sent.from, hops: [], headers: sent.headers ?? {} }
    let url = new URL(start)
    for (let redirects = 0; redirects <= mostRedirects; redirects++) {
      const response = await request(url, method, body, chain)
      const location = response.headers.get('location')
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== null
      if (!isRedirect) return await readPage(url, response)
      await response.body?.cancel()
      chain.hops.push(url)
      url = new URL(location, url)
      if (leaves(url)) return leftTo(url, response)
      // RFC 9110 section 15.4: only 307 and 308 keep the method and its body.
      if (response.status < 307) [method, body] = ['GET', undefined]
    }
    throw new Error(`more than ${mostRedirects} redirects: ${chain.hops.map(withoutQuery).join(' > ')}`)
  }

  const get: Browser['get'] = (url, sent = {}) => go(url, 'GET', undefined, sent)

  const submit: Browser['submit'] = (page, press = {}) => {
    const { method, action, parameters } = fillIn(page, press)
    if (method === 'POST') return go(action, 'POST', String(parameters), { from: page.url })
    const url = new URL(action)
    url.search = String(parameters)
    return get(url.href, { from: page.url })
  }

  return {
    cookies,
    steps,
    get,
    post: (url, fields, sent = {}) => go(url, 'POST', String(parametersOf(fields)), sent),
    submit,
    async follow(page, text) {
      const link = page.links.find((each) => fits(each.text, text))
      if (!link) throw new Error(`no link ${text} on ${described(page)}`)
      return await get(link.href, { from: page.url })
    },
    async walk(start, presses) {
      let stop = typeof start === 'string' ? await get(start) : start
      for (let pages = 0; pages < mostPages; pages++) {
        const press = stop.left ? undefined : presses.map(asPress).find((each) => hasButton(stop, each))
        if (!press) return stop
        stop = await submit(stop, press)
      }
      throw new Error(`more than ${mostPages} pages; the last is ${described(stop)}`)
    },
  }
}

/** Where a navigation began and what it came through; a redirect across sites is remembered to its end. */
type Chain = { from: string | undefined; hops: URL[]; headers: Record<string, string> }

function siteOf({ from, hops }: Chain, url: URL): 'none' | 'same-origin' | 'same-site' | 'cross-site' {
  if (from === undefined) return 'none'
  const origin = new URL(from)
  const all = [...hops, url]
  if (all.every((each) => each.origin === origin.origin)) return 'same-origin'
  // Nothing here has subdomains, so that a site is a host and its scheme.
  const isSite = (each: URL) => each.hostname === origin.hostname && each.protocol === origin.protocol
  return all.every(isSite) ? 'same-site' : 'cross-site'
}
