import { expect } from 'vitest'
import { z } from 'zod'
import type { Json } from './admin-gateway.ts'

export type Answered = { method: string; url: string; status: number; type: string; body: string }

type Operation = { pattern: RegExp; method: string; path: string; operation: Json }

/** Every operation of an OpenAPI document, in its order. */
export function operationsOf(document: Json): Operation[] {
  return Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      operation,
      pattern: new RegExp(`^/admin/v1${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    })),
  )
}

/** The answers of an operation by their statuses. */
export function responsesOf(operation: Json, document: Json): Record<string, Json> {
  const resolve = (response: Json) =>
    response.$ref ? document.components.responses[response.$ref.split('/').at(-1)] : response
  return Object.fromEntries(
    Object.entries<Json>(operation.responses).map(([status, each]) => [status, resolve(each)]),
  )
}

/** Fails where an answer is not what the document says of it: its status, its type and every member. */
export function createAnswerCheck(document: Json): (answered: Answered) => void {
  const operations = operationsOf(document)
  const schemas = new Map<object, z.ZodType>()
  const schemaOf = (schema: Json) => {
    const known = schemas.get(schema) ?? validator(schema, document)
    schemas.set(schema, known)
    return known
  }
  return ({ method, url, status, type, body }) => {
    const { pathname } = new URL(url, 'http://localhost')
    const found = operations.find((each) => each.method === method && each.pattern.test(pathname))
    if (!found) return
    const said = responsesOf(found.operation, document)[status]
    const what = `${method} ${url} answered ${status}`
    expect(said, `${what}, of which the document knows nothing`).toBeDefined()
    const [media, content] = Object.entries<Json>(said.content)[0] ?? []
    expect(type.split(';', 1)[0], what).toBe(media)
    for (const text of media === 'application/x-ndjson' ? body.trimEnd().split('\n') : [body]) {
      const json = JSON.parse(text)
      const parsed = schemaOf(content.schema).safeParse(json)
      expect(parsed.error && z.prettifyError(parsed.error), `${what}: ${text}`).toBeUndefined()
      const codes = content.schema.properties?.code?.enum
      if (codes) expect(codes, what).toContain(json.code)
    }
  }
}

/** A schema of the document as zod checks it. */
export function validator(schema: Json, document: Json): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas })
  return z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')))
}
