import type { Visitor } from '../protect.ts'

/** As much of Node's `IncomingMessage` as an adapter reads. */
export type NodeRequest = {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** Names and values in turn: unlike `headers`, it has every line of a header. */
  readonly rawHeaders: readonly string[]
}

/** As much of Node's `ServerResponse` as an adapter writes. */
export type NodeResponse = {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body?: string): unknown
}

/** `target` is the request's, if a framework has not shortened it. */
export function visitorOf({ method = 'GET', url, rawHeaders }: NodeRequest, target = url): Visitor {
  const authorization = rawHeaders.filter(
    (_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization',
  )
  return { method, path: target ?? '/', authorization }
}

export async function send(answer: Response, response: NodeResponse): Promise<void> {
  response.statusCode = answer.status
  for (const [name, value] of answer.headers) response.setHeader(name, value)
  response.end(await answer.text())
}
