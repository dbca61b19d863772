// The package ships no types; this is the part of it that the stand-in touches.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export type Context = {
    req: IncomingMessage
    status: number
    body: unknown
    respond: boolean
  }

  export type Payload = Record<string, unknown>

  export type Interaction = {
    params: Record<string, unknown>
    session?: { accountId?: string }
  }

  export type Grant = { addOIDCScope(scope: string): void; save(): Promise<string> }

  export class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>)
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): void
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionResult(request: IncomingMessage, response: ServerResponse, result: unknown): Promise<string>
    Grant: new (owner: {
      accountId: string
      clientId: string
    }) => Grant
  }

  export namespace errors {
    class SessionNotFound extends Error {}
  }
}
