import { crc32, deflateSync } from 'node:zlib'

/** Pixels as a canvas has them: red, green, blue and alpha, a byte each, row by row. */
export type Pixels = { width: number; height: number; rgba: Uint8Array }

const mostColours = 256

/**
 * A PNG of one byte per pixel: pages have few colours, and what their soft edges have beyond the 256 most frequent
 * goes to the nearest of those. A third of the size of what a browser writes.
 */
export function palettePng({ width, height, rgba }: Pixels): Buffer {
  const colours = colourAt(rgba)
  const palette = mostFrequent(colours)
  const indexOf = new Map(palette.map((colour, index) => [colour, index]))
  // A row begins with the number of its filter: none.
  const rows = Buffer.alloc((width + 1) * height)
  colours.forEach((colour, at) => {
    const index = indexOf.get(colour) ?? nearest(palette, colour)
    indexOf.set(colour, index)
    rows[at + Math.floor(at / width) + 1] = index
  })
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // Eight bits per pixel, which are an index into the palette.
  header.set([8, 3, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flatMap(channels))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function colourAt(rgba: Uint8Array): Uint32Array {
  const bytes = new DataView(rgba.buffer, rgba.byteOffset, rgba.byteLength)
  return Uint32Array.from({ length: rgba.length / 4 }, (_, index) => bytes.getUint32(4 * index) >>> 8)
}

function mostFrequent(colours: Uint32Array): number[] {
  const counts = new Map<number, number>()
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1)
  const sorted = [...counts].sort(([, left], [, right]) => right - left)
  return sorted.slice(0, mostColours).map(([colour]) => colour)
}

function nearest(palette: readonly number[], colour: number): number {
  const distances = palette.map((candidate) => distance(candidate, colour))
  return distances.indexOf(Math.min(...distances))
}

function distance(left: number, right: number): number {
  const wanted = channels(right)
  return channels(left).reduce((sum, channel, index) => sum + (channel - (wanted[index] ?? 0)) ** 2, 0)
}

const channels = (colour: number) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]

function chunk(type: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const framed = Buffer.alloc(named.length + 8)
  framed.writeUInt32BE(content.length, 0)
  named.copy(framed, 4)
  framed.writeUInt32BE(crc32(named), named.length + 4)
  return framed
}
