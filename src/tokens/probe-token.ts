import { newId } from '../lib/secret.ts'
import type { AccessTokenClaims } from './access-token.ts'

/**
 * Who calls where the gateway itself tries an MCP server: nobody. Clients and subjects get longer ids of these
 * prefixes, and a file may declare none that begins so.
 */
const clientId = 'client_probe'
const subject = 'sub_probe'
const jtiPrefix = 'probe.'

/** Seconds in which a server is tried. */
export const probeLifetime = 120

/** An audience that no resource has, since every resource is an http(s) URI. */
export const foreignAudience = 'urn:coatcheck:probe:another-audience'

/**
 * What a token says that a server is tried with. It goes to the very server that may be hostile, and so it opens nothing:
 * no scope, no `tsid`, no grant behind its `jti`, and an audience that nobody else has.
 */
export function probeClaims(issuer: string, audience: string, now: number) {
  return { issuer, audience, subject, clientId, scopes: [], jti: newId(jtiPrefix), authTime: now }
}

/** Whether a token of ours is one that a server is tried with; it needs no grant to be what it says. */
export function isProbe(claims: AccessTokenClaims): boolean {
  return (
    claims.clientId === clientId &&
    claims.subject === subject &&
    claims.jti.startsWith(jtiPrefix) &&
    claims.scopes.length === 0 &&
    claims.tsid === undefined
  )
}

/** Whose calls they are, as far as a policy is concerned: everybody's roles and no scope. */
export const probeCaller = { subjectId: subject, clientId, scopes: [] as readonly string[] }
