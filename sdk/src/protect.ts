import type { AuthInfo } from './auth-info.ts'
import { type Authorization, parseAuthorization } from './authorization-header.ts'
import { connectServer } from './authorization-server.ts'
import type { Needs } from './checks.ts'
import { type DenialSite, denialResponse } from './denial-answer.ts'
import { type Delivery, type Denial, type DenialCode, deny } from './denials.ts'
import { type GuardedTools, guardedTools } from './guarded-tools.ts'
import { denialMessage, type RpcCall } from './json-rpc.ts'
import { type MetadataOptions, protectedResourceMetadata } from './metadata.ts'
import { metadataUrl } from './resource.ts'
import { scopesOfRules, type ToolScopes } from './scope-rules.ts'
import { ConfigurationError, readSettings, type VerifierOptions } from './settings.ts'
import { toolGate } from './tool-gate.ts'
import { toolPolicyOf } from './tool-policy-of.ts'
import { type Verdict, verifierOf } from './verifier.ts'
import { handleTools } from './web-tools.ts'
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
    /**
     * Decides about every call of a tool, and shows of lists only what may be called: by the gateway, which is the first of the
     * authorization servers and wants the credential, or by the scopes that open each tool.
     */
    readonly tools?: 'gateway' | ToolScopes
    /** Of each question to the gateway, in seconds; a call that cannot be decided in time is refused. */
    readonly decisionDeadline?: number
    /** Of a request, in bytes, where tools are decided about. */
    readonly largestBody?: number
    /** `serve`: also at this server's origin, where clients of the MCP revision 2025-03-26 look for it. */
    readonly authorizationServerMetadata?: 'omit' | 'serve'
  }

/** A request, as any framework can tell it. */
export type Visitor = Visit & {
  /** Every line of the `Authorization` header. */
  readonly authorization: string | readonly string[] | null | undefined
}

export type Admitted = { readonly authInfo: AuthInfo }

/** An MCP server, once it is known who asks. */
export type Handler = (request: Request, admitted: Admitted) => Response | Promise<Response>

export type Guard = {
  /** Canonical, as in the metadata. */
  readonly resource: string
  readonly metadataUrl: string
  /** The paths of the documents it serves, for routers that want to know. */
  readonly documentPaths: readonly string[]
  /**
   * Answers a request: itself, with a denial or the metadata it asked for, or by the handler, which must go by the request that
   * it is handed. `address` is where the client is.
   */
  handle(
    request: Request,
    handler: Handler,
    around?: { readonly needs?: Needs | undefined; readonly address?: string | undefined },
  ): Promise<Response>
  /** What adapters need where tools are decided about. */
  readonly tools: GuardedTools | undefined
  /**
   * Lets a request in, or answers it: with a denial, or with the metadata it asked for. Sees no calls of tools and no lists: where
   * `tools` are decided about it throws, and `handle` is what there is.
   */
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
  const scopes = options.scopes ?? scopesOfRules(options.tools)
  const initialScopes = options.initialScopes ?? (requiredScopes.length > 0 ? requiredScopes : scopes)
  const site: DenialSite = { resourceMetadata: metadataUrl(resource), initialScopes, realm, documentation }
  const issuers = servers.map(({ issuer }) => issuer)
  const policy = toolPolicyOf(options, settings)
  const documents = wellKnown(
    resource,
    protectedResourceMetadata(resource, issuers, { ...options, scopes }),
    options.authorizationServerMetadata === 'serve' ? servers[0] : undefined,
  )

  const decide: Guard['decide'] = async (authorization, needs = {}) => {
    const presented = parseAuthorization(authorization)
    if (presented.outcome !== 'token') return { outcome: 'denied', denial: denialOf(presented) }
    const scopes = [...new Set([...requiredScopes, ...(needs.scopes ?? [])])]
    return await verify(presented.token, { ...needs, scopes })
  }

  const isInband = (denial: Denial) => (delivery[denial.code] ?? denial.delivery) === 'inband'

  const refuse: Guard['refuse'] = (denial, call) => {
    const message = isInband(denial) && call ? denialMessage(denial, call, site) : undefined
    const headers = { 'cache-control': 'no-store' }
    return message ? Response.json(message, { headers }) : denialResponse(denial, site)
  }

  const tools =
    policy &&
    guardedTools(toolGate({ policy, site, isInband, refuse }), options.largestBody ?? usualLargestBody, {
      documents: documents.answer,
      decide,
      refuse,
    })

  const admit: Guard['admit'] = async (visitor, needs) => {
    if (tools) throw new ConfigurationError([seesNoTools])
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
    tools,
    check: async (request, needs) => await admit(visitorOf(request), needs),
    async handle(request, handler, { needs, address } = {}) {
      if (tools) return await handleTools(tools, request, handler, { needs, address })
      const checked = await admit(visitorOf(request), needs)
      return checked instanceof Response ? checked : await handler(request, checked)
    },
  }
}

/** Reading it strictly takes its time, in which nobody else is served. */
const usualLargestBody = 1024 * 1024
const seesNoTools = 'tools: calls are decided about by guard.handle and the adapters, not by check and admit'

const visitorOf = ({ method, url, headers }: Request): Visitor => ({
  method,
  path: new URL(url).pathname,
  authorization: headers.get('authorization'),
})

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
