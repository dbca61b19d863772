import { operations } from '../operations.ts'
import { type Server, startScript } from './server.ts'

/** The least code that does the same work, in one process, with joined commits. */
export const floor: Server = {
  name: 'floor',
  operations: operations.filter((operation) => operation !== 'decide'),
  codesPerSecond: 12_000,
  start: async (place) => await startScript(place, 'bench/servers/floor-main.ts'),
}
