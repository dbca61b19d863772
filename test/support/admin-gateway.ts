import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { onTestFinished } from 'vitest'
import { applyDeclarations } from '../../src/config/apply-declarations.ts'
import { loadConfig } from '../../src/config/config.ts'
import { adminEndpoints } from '../../src/endpoints/admin/plugin.ts'
import { openGateway } from '../../src/gateway.ts'
import { newSecret } from '../../src/lib/secret.ts'
import { createTestDatabase } from './database.ts'
import { createAnswerCheck } from './openapi.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/** JSON of the wire, read without ceremony. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what they then compare
export type Json = any

export type AdminGateway = Awaited<ReturnType<typeof openAdminGateway>>

export const start = 1_800_000_000

type Description = { document: Json; checkAnswer: ReturnType<typeof createAnswerCheck> }

/** By the issuer, which is all that differs: to write it and to read it takes as long as many a test. */
const descriptions = new Map<string, Promise<Description>>()

async function describedBy(answer: Promise<{ json(): Json }>): Promise<Description> {
  const document = (await answer).json()
  return { document, checkAnswer: createAnswerCheck(document) }
}

/** A gateway over a database of its own, and the admin API of it alone; all its answers must be as it describes them. */
export async function openAdminGateway(
  options: { issuer?: string; file?: Json; env?: Record<string, string> } = {},
) {
  const { issuer = 'http://localhost:8080', file = {}, env = {} } = options
  const stored = await createTestDatabase()
  const config = loadConfig(
    {
      COATCHECK_ISSUER: issuer,
      COATCHECK_DATABASE_URL: stored.url,
      COATCHECK_CONFIG: 'coatcheck.json',
      COATCHECK_MASTER_KEYS: `test:${randomBytes(32).toString('base64')}`,
      ...(issuer.startsWith('http:') && { COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true' }),
      ...env,
    },
    () => JSON.stringify(file),
  )
  const time = { now: start }
  const adminToken = newSecret('admin_')
  const [first = { id: 'none', key: randomBytes(32) }, ...rest] = config.masterKeys ?? []
  const { gateway, database } = await openGateway(
    config,
    { masterKeys: [first, ...rest], adminToken },
    () => time.now,
  )
  await applyDeclarations(gateway)

  const app = Fastify({ exposeHeadRoutes: false, routerOptions: { maxParamLength: 16_384 } })
  const routes: { method: string; url: string }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    // What refuses all the other methods of an address stands there for many at once.
    if (typeof method === 'string') routes.push({ method, url })
  })
  await app.register(adminEndpoints, gateway)
  onTestFinished(async () => {
    await app.close()
    await database.close()
    await stored.remove()
  })

  const authorization = `Bearer ${adminToken}`
  const description =
    descriptions.get(issuer) ??
    describedBy(app.inject({ url: '/admin/v1/openapi.json', headers: { authorization } }))
  descriptions.set(issuer, description)
  const { document, checkAnswer } = await description

  /** Everything this gateway answered, to be searched for secrets. */
  const answers: string[] = []

  async function send(method: Method, url: string, parts: { headers?: Record<string, string>; body?: Json }) {
    const response = await app.inject({
      method,
      url,
      ...(parts.headers && { headers: parts.headers }),
      ...(parts.body !== undefined && { payload: parts.body }),
    })
    answers.push(JSON.stringify(response.headers), response.body)
    const { statusCode: status, headers, body } = response
    checkAnswer({ method, url, status, type: String(headers['content-type']), body })
    return response
  }

  async function admin(method: Method, path: string, body?: Json) {
    const headers = { authorization }
    const response = await send(method, `/admin/v1${path}`, { headers, body })
    const lines = String(response.headers['content-type']).includes('ndjson')
    const json: Json = response.body === '' || lines ? undefined : response.json()
    return { status: response.statusCode, headers: response.headers, json }
  }

  return { app, gateway, database, config, time, adminToken, routes, document, answers, send, admin }
}

/** The rows of a table as text, to be searched for secrets. */
export async function dumpAudit({ gateway }: Pick<AdminGateway, 'gateway'>): Promise<string> {
  const { rows } = await gateway.store.auditEvents.list({}, { limit: 10_000 })
  return JSON.stringify(rows)
}
