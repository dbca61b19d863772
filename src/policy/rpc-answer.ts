/** What an MCP server answered to one JSON-RPC request, whatever it looks like. */
export type RpcAnswer = {
  status: number
  headers: Headers
  result?: Record<string, unknown>
  error?: Record<string, unknown>
}

/** Reads an answer of MCP's streamable HTTP, which is JSON or a stream of events. */
export async function readRpcAnswer(response: Response, id: number): Promise<RpcAnswer> {
  const { status, headers } = response
  const text = await response.text()
  const isStream = headers.get('content-type')?.startsWith('text/event-stream') ?? false
  const messages = (isStream ? eventData(text) : [text]).flatMap(messagesIn)
  const own = messages.find((message) => message.id === id)
  const { result, error } = own ?? {}
  return { status, headers, ...(isObject(result) && { result }), ...(isObject(error) && { error }) }
}

/** The data of every event, in the order of the stream (WHATWG HTML section 9.2.6). */
function eventData(stream: string): string[] {
  const events = stream.replaceAll(/\r\n?/g, '\n').split(/\n{2,}/)
  return events
    .map((event) => {
      const lines = event.split('\n').flatMap((line) => /^data: ?(.*)$/.exec(line)?.[1] ?? [])
      return lines.join('\n')
    })
    .filter((data) => data !== '')
}

function messagesIn(text: string): Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(text)
    return (Array.isArray(value) ? value : [value]).filter(isObject)
  } catch {
    return []
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
