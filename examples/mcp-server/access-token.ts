import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import type { Settings } from './settings.ts'

/** Whoever calls a tool, as Coatcheck's access token says. */
export type Caller = {
  token: string
  scopes: string[]
  /** The ticket: what upstream tokens are retrieved with. */
  tsid: string
}

/** Reads an Authorization header. Whatever is not a valid access token for this MCP server is nobody. */
export function createAuthentication({ issuer, url }: Settings) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  return async (header = ''): Promise<Caller | undefined> => {
    const token = /^Bearer +(\S+)$/i.exec(header)?.[1]
    if (token === undefined) return undefined
    try {
      const { payload } = await jwtVerify<{ scope: string; tsid: string }>(token, keys, {
        issuer,
        audience: url,
        typ: 'at+jwt',
        algorithms: ['ES256'],
        requiredClaims: ['exp', 'scope', 'tsid'],
      })
      return { token, scopes: payload.scope.split(' '), tsid: payload.tsid }
    } catch (error) {
      if (isFaultOfToken(error)) return undefined
      throw error
    }
  }
}

/** As opposed to keys that cannot be fetched right now, for which nobody should sign in again. */
function isFaultOfToken(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return false
  return error.code !== errors.JWKSTimeout.code && error.code !== errors.JOSEError.code
}
