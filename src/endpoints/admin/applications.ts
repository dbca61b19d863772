import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { type Standing, sentenceOf, standingOf } from '../../policy/application.ts'
import type { Resource } from '../../storage/resources.ts'
import type { Application } from '../../storage/tools.ts'
import { conflict, time } from './answer.ts'
import { byGivenId } from './input.ts'
import { getResource } from './resources.ts'
import { ok, type Route, route } from './route.ts'

const applicationView = z
  .strictObject({
    state: z
      .enum(['protection_not_verified', 'needs_review', 'live'])
      .describe('By what is known now; what was activated stays in force whatever it is'),
    missing: z
      .array(
        z.strictObject({
          code: z.string(),
          message: z.string(),
          tool: z.string().optional(),
          role: z.string().optional(),
          check: z.string().optional(),
        }),
      )
      .describe('All that stands between it and being live, its activation aside'),
    published_at: time.nullable().describe('When its MCP server last published its tools'),
    changed_at: time.nullable().describe('When that was something new'),
    probes: z
      .array(
        z.strictObject({
          check: z.string(),
          outcome: z.enum(['passed', 'failed', 'skipped']),
          detail: z.string().optional(),
        }),
      )
      .describe('What was found of the running MCP server'),
    probed_at: time.nullable(),
    probe_due_at: time.nullable().describe('When it is probed again by itself'),
    activated_at: time.nullable().describe('Null: its tools are closed to all but its administrators'),
    activated_by: z.string().nullable(),
  })
  .meta({ id: 'Application' })

const byResource = { params: byGivenId, answers: { 200: applicationView } }

export function applicationRoutes(gateway: Gateway): Route[] {
  const { tools } = gateway.store
  return [
    route({
      ...byResource,
      method: 'GET',
      path: '/resources/{id}/application',
      role: 'read',
      operationId: 'getApplication',
      summary: 'Show how far a resource is from being open to people, and what is missing',
      problems: ['not_found'],
      handle: async ({ params, by: { now } }) =>
        ok(viewOf(await statusOf(gateway, await getResource(gateway, params.id), now))),
    }),

    route({
      ...byResource,
      method: 'POST',
      path: '/resources/{id}/application/probe',
      role: 'write',
      operationId: 'probeApplication',
      summary: 'Try the running MCP server now, whether it refuses what it must',
      problems: ['not_found'],
      handle: async ({ params }) => {
        const resource = await getResource(gateway, params.id)
        await gateway.probing.run(resource)
        return ok(viewOf(await statusOf(gateway, resource, gateway.clock())))
      },
    }),

    route({
      ...byResource,
      method: 'POST',
      path: '/resources/{id}/application/activate',
      role: 'write',
      operationId: 'activateApplication',
      summary: 'Open the tools of a resource to people, once nothing is missing',
      problems: ['not_found', 'conflict'],
      handle: async ({ params, by: { actor, now } }) => {
        const resource = await getResource(gateway, params.id)
        const { standing, application } = await statusOf(gateway, resource, now)
        if (standing.missing.length > 0) {
          throw conflict(standing.missing.map((each) => ({ pointer: '', message: sentenceOf(each) })))
        }
        if ((application?.activatedAt ?? null) === null) {
          const event = auditEvent(now, {
            event: 'resource.activated',
            actor,
            resourceId: resource.id,
            detail: { probed_at: application?.probedAt },
          })
          await tools.activate(resource.id, { activatedAt: now, activatedBy: actor }, event)
        }
        return ok(viewOf(await statusOf(gateway, resource, now)))
      },
    }),

    route({
      ...byResource,
      method: 'POST',
      path: '/resources/{id}/application/deactivate',
      role: 'write',
      operationId: 'deactivateApplication',
      summary: 'Close the tools of a resource to all but its administrators',
      problems: ['not_found'],
      handle: async ({ params, by: { actor, now } }) => {
        const resource = await getResource(gateway, params.id)
        const { application } = await statusOf(gateway, resource, now)
        if ((application?.activatedAt ?? null) !== null) {
          const { activatedAt, activatedBy } = application ?? {}
          const detail = { before: { activated_at: activatedAt, activated_by: activatedBy } }
          const event = { event: 'resource.deactivated', actor, resourceId: resource.id, detail } as const
          await tools.deactivate(resource.id, auditEvent(now, event))
        }
        return ok(viewOf(await statusOf(gateway, resource, now)))
      },
    }),
  ]
}

type Status = { standing: Standing; application: Application | undefined }

/** What was found stands for twice the time after which it is looked at again: one probe may come late. */
async function statusOf({ store, config }: Gateway, resource: Resource, now: number): Promise<Status> {
  const [application, tools, roles, bindings] = await Promise.all([
    store.tools.findApplication(resource.id),
    store.tools.list(resource.id),
    store.roles.list(resource.id),
    store.roles.listBindings(resource.id),
  ])
  const probesStand = 2 * config.lifetimes.probe_interval
  return {
    application,
    standing: standingOf({ resource, application, tools, roles, bindings, now, probesStand }),
  }
}

function viewOf({ standing: { state, missing }, application }: Status) {
  return {
    state,
    missing: missing.map((each) => {
      const { detail: _, ...said } = 'detail' in each ? each : { ...each, detail: '' }
      return { ...said, message: sentenceOf(each) }
    }),
    published_at: application?.publishedAt ?? null,
    changed_at: application?.changedAt ?? null,
    probes: application?.probes ?? [],
    probed_at: application?.probedAt ?? null,
    probe_due_at: application?.probeDueAt ?? null,
    activated_at: application?.activatedAt ?? null,
    activated_by: application?.activatedBy ?? null,
  }
}
