import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import { invalid } from '../../http/problems.ts'
import { conditionsSchema } from '../../policy/conditions.ts'
import { decide } from '../../policy/decide.ts'
import { judge } from '../../policy/decision.ts'
import { sayRuling } from '../../policy/decision-answer.ts'
import { toolState } from '../../policy/tool.ts'
import { getToolPolicies, rolesHeld, scopesWithin } from '../../policy/tool-policy.ts'
import type { Resource } from '../../storage/resources.ts'
import { notFound, time } from './answer.ts'
import { decisionView, reachOf, reachView } from './decision-view.ts'
import { byGivenId, givenId } from './input.ts'
import { getResource } from './resources.ts'
import { ok, type Route, route } from './route.ts'
import { toolStates } from './tools.ts'

const simulation = z.strictObject({
  subject: z.string().min(1).max(255),
  client_id: z.string().min(1).max(2048).optional().describe('Whose counts a quota per client looks at'),
  scopes: z
    .array(z.string().min(1).max(255))
    .max(100)
    .optional()
    .describe('Of the token; absent: all that the subject may have'),
  tool: z.string().min(1).max(200),
  arguments: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Absent: as in a list of tools, when nobody knows them yet'),
  address: z.string().min(1).max(64).optional().describe('Where the client is; absent: unknown'),
  at: time.optional().describe('When; absent: now'),
  auth_age: z.int().min(0).max(31_536_000).default(0).describe('Seconds since the sign-in'),
  acr: z.string().min(1).max(255).optional().describe('How strong the sign-in was'),
})

const accessView = z
  .strictObject({
    subject: z.string(),
    enabled: z.boolean().describe('A subject that is disabled may do nothing at all'),
    scopes: z.array(z.string()).describe('All that a token of theirs may have here'),
    roles: z.array(z.strictObject({ binding: z.string(), role: z.string(), conditions: conditionsSchema })),
    tools: z
      .array(reachView.extend({ name: z.string(), state: toolStates }))
      .describe('With all those scopes and a new sign-in, from an address nobody knows'),
  })
  .meta({ id: 'Access' })

type Wish = z.output<typeof simulation>

export function simulationRoutes(gateway: Gateway): Route[] {
  return [
    route({
      method: 'POST',
      path: '/resources/{id}/simulations',
      role: 'read',
      operationId: 'simulateCall',
      summary: 'Say what would be decided about a call; nothing is counted, used or kept',
      params: byGivenId,
      body: simulation,
      answers: { 200: decisionView },
      problems: ['not_found'],
      handle: async ({ params, body, by: { now } }) => {
        const resource = await getResource(gateway, params.id)
        if (!(await gateway.store.subjects.find(body.subject))) {
          throw invalid([{ pointer: '/subject', message: 'is nobody here' }])
        }
        const said = sayRuling(await simulate(gateway, resource, body, body.at ?? now), undefined)
        return ok({ ...(said.answer as z.output<typeof decisionView>), bindings: said.bindings })
      },
    }),

    route({
      method: 'GET',
      path: '/resources/{id}/access/{subject}',
      role: 'read',
      operationId: 'getAccess',
      summary: 'Show what somebody may do at a resource, and why not the rest',
      params: z.strictObject({ id: givenId, subject: z.string().min(1).max(255) }),
      answers: { 200: accessView },
      problems: ['not_found'],
      handle: async ({ params, by: { now } }) => {
        const resource = await getResource(gateway, params.id)
        const subject = await gateway.store.subjects.find(params.subject)
        if (!subject) throw notFound('subject')
        const { id, enabled } = subject
        return ok({ subject: id, enabled, ...(await accessOf(gateway, { resource, subjectId: id, now })) })
      },
    }),
  ]
}

async function simulate(gateway: Gateway, resource: Resource, wish: Wish, now: number) {
  const { subject: subjectId, client_id: clientId = '', tool, address, acr } = wish
  const { store, canStepUp, config } = gateway
  const scopes = wish.scopes ?? [...(await scopesWithin(store, resource, subjectId, now))]
  return await decide(
    { store, canStepUp, stepUpLifetime: config.lifetimes.step_up },
    {
      resource,
      caller: { subjectId, clientId, scopes },
      call: {
        now,
        tool,
        arguments: wish.arguments ?? 'unknown',
        address,
        authTime: now - wish.auth_age,
        acr,
      },
      mode: 'look',
    },
  )
}

async function accessOf({ store }: Gateway, whose: { resource: Resource; subjectId: string; now: number }) {
  const { resource, subjectId, now } = whose
  const [scopes, roles, policies] = await Promise.all([
    scopesWithin(store, resource, subjectId, now),
    rolesHeld(store, whose),
    getToolPolicies(store, whose),
  ])
  const caller = { subjectId, clientId: '', scopes: [...scopes] }
  return {
    scopes: caller.scopes,
    roles: roles.map(({ bindingId, role, conditions }) => ({ binding: bindingId, role, conditions })),
    tools: policies.flatMap((policy) => {
      const { tool } = policy
      if (!tool) return []
      const verdict = judge(policy, caller, { now, tool: tool.name, arguments: 'unknown', authTime: now })
      return [{ name: tool.name, state: toolState(tool), ...reachOf(verdict) }]
    }),
  }
}
