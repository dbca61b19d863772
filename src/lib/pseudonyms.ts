import { randomBytes } from 'node:crypto'
import { keyedDigest } from './secret.ts'

/** What addresses and ids are called where what they did is remembered: without the key nobody can tell whose it is. */
export type Pseudonyms = {
  of(name: string): string
  /** From here on under this key, so that whoever else has it says the same; until then under one nobody else has. */
  keep(key: Uint8Array): void
}

export function createPseudonyms(): Pseudonyms {
  let key: Uint8Array = randomBytes(32)
  return {
    of: (name) => keyedDigest(key, name),
    keep(next) {
      key = next
    },
  }
}
