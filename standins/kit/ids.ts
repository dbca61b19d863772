import { createHmac } from 'node:crypto'

const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export type Ids = {
  number(): number
  hex(length: number): string
  text(length: number): string
  uuid(): string
}

/** Identifiers that look random and come out the same for the same seed. */
export function createIds(seed: string): Ids {
  let drawn = 0
  let numbered = 1000

  function bytes(length: number): Buffer {
    drawn += 1
    const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, block) =>
      createHmac('sha512', seed).update(`${drawn}.${block}`).digest(),
    )
    return Buffer.concat(blocks).subarray(0, length)
  }

  const hex = (length: number) =>
    bytes(Math.ceil(length / 2))
      .toString('hex')
      .slice(0, length)

  return {
    hex,
    number() {
      numbered += 1
      return numbered
    },
    text: (length) => [...bytes(length)].map((byte) => alphanumeric[byte % alphanumeric.length]).join(''),
    uuid() {
      const digits = hex(32)
      return [0, 8, 12, 16, 20, 32]
        .flatMap((at, index, cuts) => (index === 0 ? [] : [digits.slice(cuts[index - 1], at)]))
        .join('-')
    },
  }
}
