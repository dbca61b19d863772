import { protectedResourcePath } from './resource.ts'
import { scopesToAsk } from './scope.ts'

/** RFC 9728 section 2. */
export type ProtectedResourceMetadata = Readonly<Record<string, unknown>> & {
  readonly resource: string
  readonly authorization_servers: readonly string[]
}

export type MetadataOptions = {
  /** The scopes that mean something here; those that open `tools`, where they are said so. */
  readonly scopes?: readonly string[]
  /** What people call this server. */
  readonly name?: string
  /** More members of the document, named as in RFC 9728. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

export function protectedResourceMetadata(
  resource: string,
  issuers: readonly string[],
  { scopes = [], name, metadata }: MetadataOptions,
): ProtectedResourceMetadata {
  const supported = scopesToAsk(scopes)
  return {
    ...(supported.length === 0 ? {} : { scopes_supported: supported }),
    bearer_methods_supported: ['header'],
    ...(name === undefined ? {} : { resource_name: name }),
    ...metadata,
    resource,
    authorization_servers: issuers,
  }
}

/** The paths it is found at: below the well-known one the path of the resource, and the well-known one itself. */
export function metadataPaths(resource: string): string[] {
  const { pathname } = new URL(resource)
  return [...new Set([protectedResourcePath + pathname.replace(/^\/$/, ''), protectedResourcePath])]
}

/** Clients in browsers read these, from any origin; there is nothing secret in them. */
const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, OPTIONS',
  'access-control-allow-headers': 'authorization, content-type, mcp-protocol-version',
}

export const documentResponse = (document: unknown): Response =>
  new Response(JSON.stringify(document), {
    headers: { ...corsHeaders, 'content-type': 'application/json', 'cache-control': 'public, max-age=300' },
  })

export const preflightResponse = (): Response => new Response(null, { status: 204, headers: corsHeaders })

/** Says no in a form that a client in search of a document goes on from. */
export const documentRefused = (status: 404 | 405 | 503): Response =>
  new Response(
    JSON.stringify({ error: { 404: 'not_found', 405: 'method_not_allowed', 503: 'unavailable' }[status] }),
    {
      status,
      headers: {
        ...corsHeaders,
        'content-type': 'application/json',
        'cache-control': 'no-store',
        ...(status === 405 ? { allow: 'GET, HEAD, OPTIONS' } : {}),
      },
    },
  )
