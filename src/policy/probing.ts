import type { Clock } from '../lib/clock.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import type { Probe } from '../storage/documents.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import { mintAccessToken } from '../tokens/access-token.ts'
import { foreignAudience, probeCaller, probeClaims, probeLifetime } from '../tokens/probe-token.ts'
import type { SigningKeys } from '../tokens/signing-keys.ts'
import { judge } from './decision.ts'
import { probe } from './probe.ts'
import { getToolPolicies } from './tool-policy.ts'

export type ProbedResource = { resourceId: string; probes: readonly Probe[] }

export type Probing = {
  /** Tries an MCP server now, and keeps what was found. */
  run(resource: Resource): Promise<void>
  /** Tries those that were tried before and are due again; of all processes one tries each. */
  runDue(): Promise<ProbedResource[]>
  /** Gives up what is under way. */
  stop(): Promise<void>
}

const atOnce = 8

export function createProbing(parts: {
  store: Pick<Store, 'tools' | 'roles' | 'quotas' | 'subjects' | 'resources'>
  fetch: GuardedFetch
  signingKeys: Pick<SigningKeys, 'signingKey'>
  issuer: string
  clock: Clock
  /** Seconds from one probe to the next. */
  interval: number
  /** Seconds for each request. */
  deadline: number
}): Probing {
  const { store, fetch, issuer, clock, interval, deadline } = parts
  const stopping = new AbortController()
  let underWay: Promise<ProbedResource[]> | undefined

  return {
    async run(resource) {
      await probeAndKeep(resource)
    },
    runDue() {
      underWay ??= runDue().finally(() => {
        underWay = undefined
      })
      return underWay
    },
    async stop() {
      stopping.abort(new FetchError('unreachable', 'the gateway stops'))
      await Promise.allSettled([underWay])
    },
  }

  async function runDue(): Promise<ProbedResource[]> {
    const due = await store.tools.claimProbes(clock(), interval)
    const probed: ProbedResource[] = []
    // A few at once: one that never answers takes a minute.
    for (let first = 0; first < due.length && !stopping.signal.aborted; first += atOnce) {
      const some = await Promise.all(due.slice(first, first + atOnce).map((id) => probeById(id)))
      probed.push(...some.flat())
    }
    return probed
  }

  async function probeById(resourceId: string): Promise<ProbedResource[]> {
    const resource = await store.resources.find(resourceId)
    return resource?.enabled ? [{ resourceId, probes: await probeAndKeep(resource) }] : []
  }

  async function probeAndKeep(resource: Resource): Promise<readonly Probe[]> {
    const now = clock()
    const before = (await store.tools.findApplication(resource.id))?.probedAt ?? null
    const probes = await probe({ ...(await known(resource, now)), ...(await tokensFor(resource, now)) })
    const probedAt = clock()
    // What was given up says nothing of the server, nor what was found of one at another URI.
    const isStillThere = (await store.resources.find(resource.id))?.uri === resource.uri
    if (stopping.signal.aborted || !isStillThere) return probes
    const found = { probes, probedAt, probeDueAt: probedAt + interval }
    await store.tools.saveProbes(resource.id, found, before)
    return probes
  }

  async function known(resource: Resource, now: number) {
    const [policies, tools] = await Promise.all([
      getToolPolicies(store, { resource, subjectId: probeCaller.subjectId, now }),
      store.tools.list(resource.id),
    ])
    const callable = policies.flatMap((policy) => {
      const { name = '', isPublished = false } = policy.tool ?? {}
      const call = { now, tool: name, arguments: 'unknown', authTime: now } as const
      // A server that filters by scopes alone does not wait for anybody's activation.
      const isCallable = isPublished && judge({ ...policy, isActive: true }, probeCaller, call).allowed
      return isCallable ? [name] : []
    })
    return {
      route: { fetch, uri: resource.uri, deadline, signal: stopping.signal },
      issuer,
      tools: tools.flatMap(({ isPublished, published }) => (isPublished ? [published] : [])),
      callable: new Set(callable),
    }
  }

  async function tokensFor({ uri }: Resource, now: number) {
    const key = await parts.signingKeys.signingKey()
    const mint = (audience: string) =>
      mintAccessToken({ ...probeClaims(issuer, audience, now), key, now, lifetime: probeLifetime })
    return { token: mint(uri), foreignToken: mint(foreignAudience) }
  }
}
