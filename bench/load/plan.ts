/** One request, ready to be written to a socket, and what a right answer to it says. */
export type PlannedRequest = {
  text: string
  /** Members of the JSON answer with exactly these values. */
  says?: Readonly<Record<string, string | boolean>>
  /** The refresh token in the text, whose place the answer's takes for the next request. */
  refreshToken?: string
}

/** What one operation asks of one server, as data: the load is made by another process. */
export type Plan = {
  port: number
  connections: number
  /** `in turn`: over and over; `once each`: every request a single time; `in chains`: one request a connection, each made of the answer before. */
  order: 'in turn' | 'once each' | 'in chains'
  requests: PlannedRequest[]
  status: number
  /** Members every JSON answer must have, and of which type. */
  has?: Readonly<Record<string, 'string' | 'number' | 'array'>>
  /** What the header of every answer must hold. */
  header?: string
}

export type Measured = {
  operations: number
  seconds: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/** To the process that makes the load. */
export type LoadOrder = { order: 'prepare'; plan: Plan } | { order: 'run'; seconds: number }

/** From it. */
export type LoadReport = { report: 'ready' } | { report: 'measured'; measured: Measured }
