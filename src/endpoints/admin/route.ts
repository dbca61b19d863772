import { Readable } from 'node:stream'
import { z } from 'zod'
import type { Author } from '../../audit/event.ts'
import type { ProblemCode } from '../../errors.ts'
import { accept } from '../../http/problems.ts'
import type { AdministratorRole } from '../../storage/documents.ts'

const nothing = z.strictObject({})

type Answers = Partial<Record<200 | 201, z.ZodType>>

/** One of the answers a route says it has. */
type Answer<Said extends Answers> = {
  [Status in keyof Said]: { status: Status; body: z.output<Said[Status]> }
}[keyof Said]

type Definition<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Said extends Answers,
> = {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/admin/v1`, as OpenAPI writes it: `/providers/{id}`. */
  path: `/${string}`
  /** Whom it is for; `read` is for every administrator. */
  role: AdministratorRole
  operationId: string
  summary: string
  params?: Params
  /** Absent: nothing may be asked. */
  query?: Query
  body?: Body
  answers: Said
  /** Absent: one JSON value. For lines of JSON `answers` describes one of them, and `linesOf` makes the answer. */
  mediaType?: 'application/x-ndjson'
  /** What it refuses with, beside what any route does. */
  problems?: readonly ProblemCode[]
  handle(input: {
    params: z.output<Params>
    query: z.output<Query>
    body: z.output<Body>
    by: Author
  }): Promise<Answer<Said>>
}

/** What a request brings, as nobody looked at it yet, and whose request it is. */
type Raw = { params: unknown; query: unknown; body: unknown; by: Author }

/** A route as it is mounted and described, whatever its types. */
export type Route = Omit<Definition<z.ZodObject, z.ZodObject, z.ZodType, Answers>, 'handle'> & {
  answer(raw: Raw): Promise<{ status: number; body: unknown }>
}

/** The only way to make a route of the admin API: what describes it is what its input is checked with. */
export function route<
  Params extends z.ZodObject = typeof nothing,
  Query extends z.ZodObject = typeof nothing,
  Body extends z.ZodType = z.ZodUnknown,
  Said extends Answers = Answers,
>({ handle, ...description }: Definition<Params, Query, Body, Said>): Route {
  const { params, query, body } = description
  return {
    ...description,
    answer: async (raw) =>
      (await handle({
        params: accept(params ?? nothing, raw.params) as z.output<Params>,
        query: accept(query ?? nothing, raw.query) as z.output<Query>,
        body: accept(body ?? z.unknown(), raw.body) as z.output<Body>,
        by: raw.by,
      })) as { status: number; body: unknown },
  }
}

export const ok = <Body>(body: Body) => ({ status: 200, body }) as const
/** Lines of JSON, each written when it is taken; what goes wrong after the first breaks the answer off. */
export function linesOf<Line>(lines: AsyncIterable<Line>) {
  const text = async function* () {
    for await (const line of lines) yield `${JSON.stringify(line)}\n`
  }
  // Described by one line, since that is what a schema can describe.
  return ok(Readable.from(text()) as unknown as Line)
}

export const created = <Body>(body: Body) => ({ status: 201, body }) as const
