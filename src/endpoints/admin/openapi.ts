import { z } from 'zod'
import { type ProblemCode, problemCodes } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { problemSchema } from '../../http/problems.ts'
import { version } from '../../lib/version.ts'
import { ok, type Route, route } from './route.ts'

const openApiSchema = z.looseObject({ openapi: z.string() })
type OpenApi = z.output<typeof openApiSchema>

/** The route that describes all others, and itself. */
export function descriptionRoute({ config }: Pick<Gateway, 'config'>, others: readonly Route[]): Route {
  let document: OpenApi | undefined
  const own: Route = route({
    method: 'GET',
    path: '/openapi.json',
    role: 'read',
    operationId: 'describeApi',
    summary: 'Describe this API, as an OpenAPI document',
    answers: { 200: openApiSchema },
    handle: async () => {
      document ??= openApiDocument(config.issuer, [...others, own])
      return ok(document)
    },
  })
  return own
}

/** OpenAPI 3.1, whose schemas are JSON Schema as zod writes it. */
function openApiDocument(issuer: string, routes: readonly Route[]): OpenApi {
  const sent = jsonSchemas(
    'input',
    routes.map(({ operationId, body }) => [operationId, body]),
  )
  // A query is all text; what its members mean is what comes out of their schemas.
  const read = jsonSchemas('output', [
    ['Problem', problemSchema],
    ...routes.flatMap(({ operationId, params, query, answers }) => [
      [`${operationId} path`, params] as const,
      [`${operationId} query`, query] as const,
      ...Object.entries(answers).map(([status, schema]) => [`${operationId} ${status}`, schema] as const),
    ]),
  ])
  const schemas = { sent: sent.properties, read: read.properties }
  const paths: Record<string, object> = {}
  for (const each of routes) {
    paths[each.path] = { ...paths[each.path], [each.method.toLowerCase()]: operationOf(each, schemas) }
  }
  const document = {
    openapi: '3.1.1',
    info: { title: 'Coatcheck admin API', version, summary: 'Administer a Coatcheck gateway' },
    servers: [{ url: `${issuer}/admin/v1` }],
    paths,
    components: {
      schemas: { ...sent.$defs, ...read.$defs },
      responses: Object.fromEntries(
        routes.flatMap((each) =>
          Object.values(refusalsOf(each)).map((codes) => [nameOf(codes), refusal(codes)]),
        ),
      ),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'The administrator’s token' },
        administrator: {
          type: 'http',
          scheme: 'basic',
          description: 'A named administrator; who has the role write may do what read may',
        },
      },
    },
  }
  return JSON.parse(JSON.stringify(document).replaceAll('"#/$defs/', '"#/components/schemas/'))
}

type JsonSchema = z.core.JSONSchema.JSONSchema | boolean
type JsonSchemas = Readonly<Record<string, JsonSchema>>

/** What has an id of its own is in `$defs`, and referred to. */
function jsonSchemas(
  io: 'input' | 'output',
  named: readonly (readonly [name: string, schema: z.ZodType | undefined])[],
): { properties: JsonSchemas; $defs: JsonSchemas } {
  const given = named.filter(([, schema]) => schema !== undefined)
  const { properties = {}, $defs = {} } = z.toJSONSchema(z.object(Object.fromEntries(given)), { io })
  return { properties, $defs }
}

function operationOf(described: Route, { sent, read }: { sent: JsonSchemas; read: JsonSchemas }) {
  const { operationId, summary, path, role, body, answers, mediaType = 'application/json' } = described
  const successes = Object.keys(answers).map((status) => [
    status,
    {
      description: meanings[status],
      content: { [mediaType]: { schema: read[`${operationId} ${status}`] } },
    },
  ])
  const refusals = Object.entries(refusalsOf(described)).map(([status, codes]) => [
    status,
    { $ref: `#/components/responses/${nameOf(codes)}` },
  ])
  return {
    operationId,
    summary,
    tags: [path.split(/[/.]/)[1]],
    security: [{ token: [] }, { administrator: [role] }],
    parameters: [
      ...parametersOf('path', read[`${operationId} path`]),
      ...parametersOf('query', read[`${operationId} query`]),
    ],
    ...(body && { requestBody: { required: !body.isOptional(), content: json(sent[operationId]) } }),
    responses: Object.fromEntries([...successes, ...refusals]),
  }
}

const meanings: Readonly<Record<string, string>> = { 200: 'It is done', 201: 'It is new' }

const json = (schema: JsonSchema | undefined) => ({ 'application/json': { schema } })

/** No query has to be there, and every member of a path. */
function parametersOf(place: 'path' | 'query', schema: JsonSchema | undefined) {
  const members = typeof schema === 'object' ? Object.entries(schema.properties ?? {}) : []
  return members.map(([name, member]) => ({ name, in: place, required: place === 'path', schema: member }))
}

const always: readonly ProblemCode[] = [
  'invalid_request',
  'unauthenticated',
  'too_many_failures',
  'internal_error',
  'busy',
  'gateway_unavailable',
]

/** The codes of the problems a route may answer with, by their status. */
function refusalsOf({ method, role, problems = [] }: Route): Record<string, ProblemCode[]> {
  const codes = [...always, ...(role === 'write' ? (['forbidden'] as const) : []), ...problems]
  const unreadable: ProblemCode[] = ['invalid_request']
  return {
    ...(Object.groupBy(codes, (code) => problemCodes[code].status) as Record<string, ProblemCode[]>),
    // What Fastify says of bodies that are too large, or no JSON.
    ...(method !== 'GET' && { 413: unreadable, 415: unreadable }),
  }
}

const nameOf = (codes: readonly ProblemCode[]) => codes.join('_or_')

function refusal(codes: readonly ProblemCode[]) {
  return {
    description: codes.map((code) => `\`${code}\`: ${problemCodes[code].means}`).join('. '),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/$defs/Problem', properties: { code: { enum: codes } } },
      },
    },
  }
}
