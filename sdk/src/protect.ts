import type { AuthInfo } from './auth-info.ts'
import { type Authorization, parseAuthorization } from './authorization-header.ts'
import { connectServer } from './authorization-server.ts'
import type { Needs } from './checks.ts'
import { type DenialSite, denialResponse } from './denial-answer.ts'
import { type Delivery, type Denial, type DenialCode, deny } from './denials.ts'
import { denialMessage, type RpcCall } from './json-rpc.ts'
import { type MetadataOptions, protectedResourceMetadata } from './metadata.ts'
import { metadataUrl } from './resource.ts'
import { readSettings, type VerifierOptions } from './settings.ts'
import { type Verdict, verifierOf } from './verifier.ts'
import { type Visit, wellKnown } from './well-known.ts'

export type Protection = VerifierOptions &
  MetadataOptions & {
    /** What every request needs; all of them. */
    readonly requiredScopes?: readonly string[]
    /** What a client without a token is told to ask for: the required scopes, or else all of `scopes`. */
    readonly initialScopes?: readonly string[]
    readonly realm?: string
    /** A page of your own that explains every code under its name as the anchor. */
    readonly documentation?: string
    /** How a denial reaches the client, where not as the table has it. */
    readonly delivery?: Readonly<Partial<Record<DenialCode, Delivery>>>
    /** `serve`: also at this server's origin, where clients of the MCP revision 2025-03-26 look for it. */
    readonly authorizationServerMetadata?: 'omit' | 'serve'
  }

/** A request, as any framework can tell it. */
export type Visitor = Visit & {
  /** Every line of the `Authorization` header. */
  readonly authorization: string | readonly string[] | null | undefined
}

export type Admitted = { readonly authInfo: AuthInfo }

export type Guard = {
  /** Canonical, as in the metadata. */
  readonly resource: string
  readonly metadataUrl: string
  /** The paths of the documents it serves, for routers that want to know. */
  readonly documentPaths: readonly string[]
  /** Lets a request in, or answers it: with a denial, or with the metadata it asked for. */
  check(request: Request, needs?: Needs): Promise<Admitted | Response>
  /** The same for frameworks without a Web `Request`. */
  admit(visitor: Visitor, needs?: Needs): Promise<Admitted | Response>
  /** Answers a request for a document of discovery, and undefined for every other. */
  documents(visit: Visit): Promise<Response | undefined>
  /** Decides about the credentials alone. */
  decide(authorization: Visitor['authorization'], needs?: Needs): Promise<Verdict>
  /** The answer to a denied call: by HTTP or, for a JSON-RPC call whose denial is delivered so, in band. */
  refuse(denial: Denial, call?: RpcCall): Response
}

/** Protects one MCP server. Throws a ConfigurationError with every mistake of its options. */
export function protect(options: Protection): Guard {
  const settings = readSettings(options)
  const { resource } = settings
  const servers = settings.servers.map((server) => connectServer(server, settings.outside))
  const { verify } = verifierOf(settings, servers)
  const { requiredScopes = [], realm, documentation, delivery = {} } = options
  const initialScopes = options.initialScopes ?? (requiredScopes.length > 0 ? requiredScopes : options.scopes)
  const site: DenialSite = { resourceMetadata: metadataUrl(resource), initialScopes, realm, documentation }
  const issuers = servers.map(({ issuer }) => issuer)
  const documents = wellKnown(
    resource,
    protectedResourceMetadata(resource, issuers, options),
    options.authorizationServerMetadata === 'serve' ? servers[0] : undefined,
  )

  const decide: Guard['decide'] = async (authorization, needs = {}) => {
    const presented = parseAuthorization(authorization)
    if (presented.outcome !== 'token') return { outcome: 'denied', denial: denialOf(presented) }
    const scopes = [...new Set([...requiredScopes, ...(needs.scopes ?? [])])]
    return await verify(presented.token, { ...needs, scopes })
  }

  const refuse: Guard['refuse'] = (denial, call) => {
    const isInband = (delivery[denial.code] ?? denial.delivery) === 'inband'
    const message = isInband && call ? denialMessage(denial, call, site) : undefined
    return message ? Response.json(message) : denialResponse(denial, site)
  }

  const admit: Guard['admit'] = async (visitor, needs) => {
    const document = await documents.answer(visitor)
    if (document) return document
    const verdict = await decide(visitor.authorization, needs)
    return verdict.outcome === 'allowed' ? { authInfo: verdict.authInfo } : refuse(verdict.denial)
  }

  return {
    resource,
    metadataUrl: metadataUrl(resource),
    documentPaths: documents.paths,
    documents: documents.answer,
    decide,
    refuse,
    admit,
    check({ method, url, headers }, needs) {
      return admit(
        { method, path: new URL(url).pathname, authorization: headers.get('authorization') },
        needs,
      )
    },
  }
}

function denialOf(presented: Exclude<Authorization, { outcome: 'token' }>): Denial {
  switch (presented.outcome) {
    case 'missing':
    case 'not_bearer':
      return deny('no_token')
    case 'malformed':
      return deny('invalid_request', { reason: 'malformed_authorization' })
    case 'several':
      return deny('invalid_request', { reason: 'several_authorizations' })
  }
}
