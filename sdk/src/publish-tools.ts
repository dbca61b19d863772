import { type Fetch, parseObject } from './bounded-fetch.ts'
import { type Clock, systemClock } from './clock.ts'
import { askGateway } from './gateway-request.ts'
import { type ConnectableServer, connectInMemory, type InMemoryClient } from './in-memory-client.ts'
import { isSecureUrl } from './secure-url.ts'
import { ConfigurationError, type Credential } from './settings.ts'
import { greet, listTools, manifestOf, type SuggestedScopes } from './tool-manifest.ts'

export type PublishOptions = {
  /** The Coatcheck gateway. */
  readonly issuer: string
  /** What this MCP server authenticates with there. */
  readonly credential: Credential
  /** What makes the MCP server, or one that is connected to nobody, or its tools as `tools/list` has them. */
  readonly tools: ToolSource
  readonly suggestedScopes?: SuggestedScopes
  /** Called where publishing a changed list fails. The first time `publishTools` throws instead. */
  readonly onError?: (error: PublishError) => void
  /** Of each request, in seconds. */
  readonly deadline?: number
  readonly fetch?: Fetch
  readonly clock?: Clock
}

export type ToolSource =
  | ConnectableServer
  | (() => ConnectableServer | Promise<ConnectableServer>)
  | readonly Readonly<Record<string, unknown>>[]

export type Publication = {
  /** What the gateway knows of them since: names of tools. */
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly withdrawn: readonly string[]
}

export type Publishing = Publication & {
  /** Publishes no more changes. */
  stop(): Promise<void>
}

/**
 * `not_collected`: the MCP server does not tell its tools. `manifest_refused`: the gateway does not take them.
 * `credential_refused` and `gateway_unavailable`: it was not even asked.
 */
export type PublishErrorCode =
  | 'not_collected'
  | 'manifest_refused'
  | 'credential_refused'
  | 'gateway_unavailable'

export class PublishError extends Error {
  override name = 'PublishError'
  readonly code: PublishErrorCode

  constructor(code: PublishErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Publishes the tools of an MCP server at the gateway: now, and again whenever the server says that its list changed. New and
 * changed ones wait there for an administrator's review.
 */
export async function publishTools(options: PublishOptions): Promise<Publishing> {
  const { issuer, tools: source, suggestedScopes = {}, onError } = options
  if (!isSecureUrl(issuer)) {
    throw new ConfigurationError([`issuer: ${issuer} is neither https nor on this machine`])
  }
  const publish = async (tools: readonly unknown[]) => await put(options, manifestOf(tools, suggestedScopes))
  if (isList(source)) return { ...(await publish(source)), async stop() {} }

  let client: InMemoryClient | undefined
  let queue: Promise<unknown> = Promise.resolve()
  const publishAgain = () => {
    queue = queue.then(async () => {
      if (client) await collect(client, listTools).then(publish)
    })
    queue = queue.catch((error: unknown) => onError?.(asPublishError(error)))
  }
  const heard = (method: string) => {
    if (method === 'notifications/tools/list_changed') publishAgain()
  }
  client = await collect(source, async (each) => {
    const server = typeof each === 'function' ? await each() : each
    return await connectInMemory(server, options.deadline ?? usualDeadline, heard)
  })
  const opened = client
  const published = collect(opened, greet).then(() => collect(opened, listTools).then(publish))
  // What changes meanwhile is published after this.
  queue = published.catch(() => {})
  try {
    return {
      ...(await published),
      async stop() {
        client = undefined
        await queue
        await opened.close()
      },
    }
  } catch (error) {
    client = undefined
    await opened.close()
    throw error
  }
}

const usualDeadline = 10

const isList = (source: ToolSource): source is readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(source)

/** Whatever the author's own code throws says the same: the tools are not known. */
async function collect<From, Found>(from: From, how: (from: From) => Promise<Found>): Promise<Found> {
  try {
    return await how(from)
  } catch (cause) {
    const says = cause instanceof Error ? cause.message : String(cause)
    throw new PublishError('not_collected', `The MCP server does not tell its tools: ${says}`, { cause })
  }
}

const asPublishError = (error: unknown): PublishError =>
  error instanceof PublishError
    ? error
    : new PublishError('gateway_unavailable', 'The tools could not be published', { cause: error })

async function put(options: PublishOptions, tools: readonly object[]): Promise<Publication> {
  const { issuer, credential, deadline = usualDeadline, clock = systemClock } = options
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const access = { issuer, credential, outside: { fetch, clock, deadline } }
  const answer = await askGateway(access, '/v1/tools', { method: 'PUT', body: { tools } })
  if (answer.outcome === 'unavailable') throw refusal(answer.reason)
  const { added, changed, withdrawn } = parseObject(answer.text) ?? {}
  return { added: names(added), changed: names(changed), withdrawn: names(withdrawn) }
}

function refusal(reason: string): PublishError {
  switch (reason) {
    case 'credential_refused':
      return new PublishError(reason, 'The gateway does not know this credential')
    case 'question_refused':
      return new PublishError('manifest_refused', 'The gateway does not take this list of tools')
    default:
      return new PublishError('gateway_unavailable', `The gateway could not be asked: ${reason}`)
  }
}

const names = (list: unknown): string[] =>
  Array.isArray(list) ? list.filter((each) => typeof each === 'string') : []
