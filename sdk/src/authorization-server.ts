import type { JWTVerifyGetKey } from 'jose'
import { discovery, type ServerMetadata } from './discovery.ts'
import { remoteKeys } from './keys.ts'
import type { Loaded } from './remembered.ts'
import type { AuthorizationServer, Outside } from './settings.ts'

/** A trusted authorization server, and the ways to what it publishes. */
export type ConnectedServer = {
  readonly issuer: string
  readonly tokenTypes: readonly string[]
  metadata(): Promise<Loaded<ServerMetadata>>
  keys(): Promise<Loaded<JWTVerifyGetKey>>
}

/** Nothing is fetched before it is needed: a server that is down does not keep this one from starting. */
export function connectServer(server: AuthorizationServer, outside: Outside): ConnectedServer {
  const metadata = discovery(server, outside)
  let known: { uri: string; keys: JWTVerifyGetKey } | undefined
  return {
    issuer: server.issuer,
    tokenTypes: server.tokenTypes ?? ['at+jwt'],
    metadata,
    async keys() {
      const found = await metadata()
      if (found.outcome === 'unavailable') return found
      const uri = found.value.jwks_uri
      if (uri === undefined) return { outcome: 'unavailable', reason: 'jwks_uri_missing' }
      if (known?.uri !== uri) known = { uri, keys: remoteKeys(uri, outside) }
      return { outcome: 'loaded', value: known.keys }
    },
  }
}
