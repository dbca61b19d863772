import { setTimeout as pause } from 'node:timers/promises'

/** Looks now and then until it is so, and leaves the machine to whoever brings it about. */
export async function until(isSo: () => unknown): Promise<void> {
  while (!(await isSo())) await pause(5)
}
