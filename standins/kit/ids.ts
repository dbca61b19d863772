import { createHmac } from 'node:crypto'

const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export type Ids = {
  hex(length: number): string
  text(length: number): string
}

/** Values that look random and come out the same for the same seed. */
export function createIds(seed: string): Ids {
  let drawn = 0

  function bytes(length: number): Buffer {
    drawn += 1
    const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, block) =>
      createHmac('sha512', seed).update(`${drawn}.${block}`).digest(),
    )
    return Buffer.concat(blocks).subarray(0, length)
  }

  return {
    hex: (length) => bytes(length).toString('hex').slice(0, length),
    text: (length) => [...bytes(length)].map((byte) => alphanumeric[byte % alphanumeric.length]).join(''),
  }
}
