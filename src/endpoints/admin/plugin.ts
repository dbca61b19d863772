import type { FastifyInstance } from 'fastify'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { acceptJsonOnly } from '../../http/json-body.ts'
import { refusingOtherMethods } from '../../http/methods.ts'
import { answerProblem } from '../../http/problems.ts'
import { createPasswords, type Passwords } from '../../lib/passwords.ts'
import { administratorRoutes } from './administrators.ts'
import { applicationRoutes } from './applications.ts'
import { auditEventRoutes } from './audit-events.ts'
import { authorOf, createAuthentication, requireRole } from './authenticate.ts'
import { bindingRoutes } from './bindings.ts'
import { clientRoutes } from './clients.ts'
import { connectionRoutes } from './connections.ts'
import { decisionRoutes } from './decisions.ts'
import { diagnosisRoutes } from './diagnosis.ts'
import { masterKeyRoutes } from './master-keys.ts'
import { descriptionRoute } from './openapi.ts'
import { providerRoutes } from './providers.ts'
import { quotaRoutes } from './quotas.ts'
import { registrationTokenRoutes } from './registration-tokens.ts'
import { resourceCredentialRoutes } from './resource-credentials.ts'
import { resourceRoutes } from './resources.ts'
import { roleRoutes } from './roles.ts'
import type { Route } from './route.ts'
import { signingKeyRoutes } from './signing-keys.ts'
import { simulationRoutes } from './simulations.ts'
import { subjectRoutes } from './subjects.ts'
import { testRoutes } from './tests.ts'
import { tokenSessionRoutes } from './token-sessions.ts'
import { toolRoutes } from './tools.ts'
import { upstreamRevocationRoutes } from './upstream-revocations.ts'

/**
 * The admin API, `/admin/v1`: JSON in, JSON or problems (RFC 9457) out, an administrator's credential in front of
 * everything, what does not exist included. Secrets go in and never come out; every change is audited with it.
 */
export async function adminEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  await scope.register(
    refusingOtherMethods(async (api) => {
      const passwords = createPasswords()
      api.addHook('onRequest', createAuthentication({ ...gateway, passwords }))
      acceptJsonOnly(api)
      api.setErrorHandler(answerProblem)
      api.setNotFoundHandler(async () => {
        throw new Problem(404, 'not_found', 'There is nothing here')
      })
      const routes = routesOf(gateway, passwords)
      for (const each of [...routes, descriptionRoute(gateway, routes)]) mount(api, gateway, each)
    }),
    { prefix: '/admin/v1' },
  )
}

function routesOf(gateway: Gateway, passwords: Passwords): Route[] {
  return [
    ...providerRoutes(gateway),
    ...resourceRoutes(gateway),
    ...resourceCredentialRoutes(gateway),
    ...toolRoutes(gateway),
    ...roleRoutes(gateway),
    ...bindingRoutes(gateway),
    ...quotaRoutes(gateway),
    ...applicationRoutes(gateway),
    ...simulationRoutes(gateway),
    ...decisionRoutes(gateway),
    ...clientRoutes(gateway),
    ...registrationTokenRoutes(gateway),
    ...subjectRoutes(gateway),
    ...tokenSessionRoutes(gateway),
    ...connectionRoutes(gateway),
    ...upstreamRevocationRoutes(gateway),
    ...auditEventRoutes(gateway),
    ...signingKeyRoutes(gateway),
    ...masterKeyRoutes(gateway),
    ...administratorRoutes(gateway, passwords),
    ...diagnosisRoutes(gateway),
    ...testRoutes(gateway),
  ]
}

function mount(
  api: FastifyInstance,
  gateway: Gateway,
  { method, path, role, mediaType, answer }: Route,
): void {
  api.route({
    method,
    url: path.replaceAll(/\{(\w+)\}/g, ':$1'),
    onRequest: requireRole(role),
    handler: async (request, reply) => {
      const { params, query, body } = request
      const answered = await answer({ params, query, body, by: authorOf(gateway, request) })
      if (mediaType) reply.type(mediaType)
      return reply.code(answered.status).send(answered.body)
    },
  })
}
