import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const inMemory = '/dev/shm'

/** What a run writes at once, and much to spare. */
const bytesNeeded = 2 ** 31

/** Where databases are made that live for a few seconds: in memory, where there is a folder for that and it has room. */
export function quickFolder(): string {
  try {
    const { bavail, bsize } = statfsSync(inMemory)
    return bavail * bsize > bytesNeeded ? inMemory : tmpdir()
  } catch {
    return tmpdir()
  }
}
