import { operations } from '../operations.ts'
import type { Commits } from './oidc-provider-adapter.ts'
import { type Server, startScript } from './server.ts'

/** The library many authorization servers in Node are made of; it has no upstream tokens to hand out. */
export function oidcProvider(name: string, commits: Commits): Server {
  return {
    name,
    operations: operations.filter((operation) => !['retrieve', 'exchange', 'decide'].includes(operation)),
    codesPerSecond: 2_500,
    start: async (place) => await startScript(place, 'bench/servers/oidc-provider-main.ts', commits),
  }
}
