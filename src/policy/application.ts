import type { Resource } from '../storage/resources.ts'
import type { BoundRole, Role } from '../storage/roles.ts'
import type { Application, Tool } from '../storage/tools.ts'
import { toolState } from './tool.ts'

/** How far a resource has come: is it protected at all, is everything reviewed, may people call it. */
export type ApplicationState = 'protection_not_verified' | 'needs_review' | 'live'

export type Missing =
  | { code: 'resource_disabled' | 'never_probed' | 'probe_too_old' }
  | { code: 'probe_failed'; check: string; detail: string }
  | { code: 'no_tools' | 'no_bindings' }
  | { code: 'tool_unreviewed' | 'tool_changed'; tool: string }
  | { code: 'empty_role'; role: string }

export type ApplicationFacts = {
  resource: Resource
  application: Application | undefined
  tools: readonly Tool[]
  roles: readonly Role[]
  bindings: readonly BoundRole[]
  now: number
  /** Seconds for which what was found of the running server stands. */
  probesStand: number
}

export type Standing = { state: ApplicationState; missing: Missing[] }

/**
 * Where a resource stands, by what is known of it now and nothing else: what fails or changes shows at once, and what was
 * approved stays in force meanwhile. Nothing missing and not live: somebody has yet to activate it.
 */
export function standingOf(facts: ApplicationFacts): Standing {
  const unprotected = protectionMissing(facts)
  const unreviewed = [...toolsMissing(facts), ...rolesMissing(facts)]
  const isActive = (facts.application?.activatedAt ?? null) !== null
  const state =
    unprotected.length > 0
      ? 'protection_not_verified'
      : unreviewed.length > 0 || !isActive
        ? 'needs_review'
        : 'live'
  return { state, missing: [...unprotected, ...unreviewed] }
}

function protectionMissing({ resource, application, now, probesStand }: ApplicationFacts): Missing[] {
  if (!resource.enabled) return [{ code: 'resource_disabled' }]
  const { probes = null, probedAt = null } = application ?? {}
  if (probes === null || probedAt === null) return [{ code: 'never_probed' }]
  const failures = probes.flatMap(({ check, outcome, detail = '' }): Missing[] =>
    outcome === 'failed' ? [{ code: 'probe_failed', check, detail }] : [],
  )
  return now - probedAt > probesStand ? [...failures, { code: 'probe_too_old' }] : failures
}

function toolsMissing({ tools }: ApplicationFacts): Missing[] {
  const published = tools.filter(({ isPublished }) => isPublished)
  if (published.length === 0) return [{ code: 'no_tools' }]
  return published.flatMap((tool): Missing[] => {
    const state = toolState(tool)
    return state === 'unreviewed' || state === 'changed' ? [{ code: `tool_${state}`, tool: tool.name }] : []
  })
}

function rolesMissing({ resource, roles, bindings, now }: ApplicationFacts): Missing[] {
  const empty = roles.filter(({ document }) => document.scopes.length === 0 && !document.administrator)
  const missing = empty.map(({ name }): Missing => ({ code: 'empty_role', role: name }))
  if (resource.document.access !== 'bindings') return missing
  const isBound = bindings.some(({ binding }) => binding.expiresAt === null || binding.expiresAt > now)
  return isBound ? missing : [...missing, { code: 'no_bindings' }]
}

/** The same for people. */
export function sentenceOf(missing: Missing): string {
  switch (missing.code) {
    case 'resource_disabled':
      return 'the resource is disabled'
    case 'never_probed':
      return 'its protection was never probed'
    case 'probe_too_old':
      return 'its protection was not probed for too long'
    case 'probe_failed':
      return `the probe ${missing.check} fails: ${missing.detail}`
    case 'no_tools':
      return 'its MCP server has published no tools'
    case 'no_bindings':
      return 'only who is bound has access, and nobody is'
    case 'tool_unreviewed':
      return `the tool ${missing.tool} waits for review`
    case 'tool_changed':
      return `the tool ${missing.tool} has changed, and waits for review`
    case 'empty_role':
      return `the role ${missing.role} gives nothing`
  }
}
