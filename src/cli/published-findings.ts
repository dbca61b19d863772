import { systemClock } from '../lib/clock.ts'
import { isJson, jsonOf, reach } from './admin-api.ts'
import { about, attempt, type Finding } from './finding.ts'
import { wordsOf } from './show.ts'

const deadline = 10_000
/** Beyond this, tokens seem to begin or end too early (seconds). */
const tolerableSkew = 30

const get = async (url: string) =>
  await reach(new URL(url).origin, () =>
    fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(deadline) }),
  )

/** RFC 8414 section 3: where clients look, and an issuer that is the same to the byte. */
export async function metadata(issuer: string): Promise<Finding[]> {
  const { ok, wrong } = about('metadata')
  if (!URL.canParse(issuer))
    return [wrong(`${issuer} is not an absolute URL`, 'Name it in full: https://host')]
  const { origin, pathname } = new URL(issuer)
  const address = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
  const response = await get(address)
  const document = await jsonOf(response)
  if (!response.ok || !document) {
    const advice = 'Have the proxy before the gateway pass /.well-known/ on to it.'
    return [wrong(`${address} answers ${response.status} and no metadata`, advice)]
  }
  if (document.issuer !== issuer) {
    const message = `it names the issuer ${wordsOf(document.issuer)}, which is not ${issuer} to the byte`
    return [wrong(message, 'Set COATCHECK_ISSUER to what clients are told, or tell them what it is.')]
  }
  return [
    ok(`${address} names this issuer`),
    ...(await attempt('JWKS', () => jwks(document.jwks_uri))),
    ...clockSkew(response.headers.get('date'), systemClock()),
  ]
}

async function jwks(address: unknown): Promise<Finding[]> {
  const { ok, wrong } = about('JWKS')
  const answer =
    typeof address === 'string' && URL.canParse(address) ? await jsonOf(await get(address)) : undefined
  const keys = Array.isArray(answer?.keys) ? answer.keys.filter(isJson) : []
  if (keys.length === 0) {
    const advice = 'Have the proxy before the gateway pass it on; if it does, see the gateway’s log.'
    return [wrong(`${wordsOf(address)} has no key: nobody can validate a token`, advice)]
  }
  // RFC 7517 section 4: `d` is the private half.
  if (keys.some((key) => Object.hasOwn(key, 'd'))) {
    return [
      wrong('it publishes a private key', 'coatcheck key rotate --emergency, now; then report it as a bug.'),
    ]
  }
  return [ok(keys.length === 1 ? 'one key' : `${keys.length} keys`)]
}

/** The gateway's clock against that of this machine. */
export function clockSkew(date: string | null, now: number): Finding[] {
  const { ok, wrong, unchecked } = about('clock')
  const theirs = Date.parse(date ?? '') / 1000
  if (Number.isNaN(theirs)) {
    return [
      unchecked('the gateway does not tell its time', 'Have the proxy before it pass on the Date header.'),
    ]
  }
  const skew = Math.round(theirs - now)
  if (Math.abs(skew) <= tolerableSkew) return [ok('the gateway’s is that of this machine')]
  const message = `the gateway’s is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} that of this machine`
  return [wrong(message, 'Set the clocks of both by NTP; timedatectl says which of them is not.')]
}

export async function readiness(issuer: string): Promise<Finding[]> {
  const { ok, wrong } = about('database')
  const { ok: isReady, status } = await get(`${issuer}/readyz`)
  if (isReady) return [ok('it takes writes')]
  const advice = 'See whether its disk is full or its server down; the gateway’s log says which.'
  return [wrong(`it does not take writes (/readyz answers ${status})`, advice)]
}
