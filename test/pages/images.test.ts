import { globSync, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  drawnFrom,
  drawnFromFile,
  imageFolder,
  imageName,
  imagesShown,
  variants,
} from '../support/page-images.ts'
import { pageSamples } from '../support/page-samples.ts'
import { palettePng } from '../support/palette-png.ts'

const page = readFileSync('docs/pages.md', 'utf8')
const images = globSync(`${imageFolder}/*.png`)

describe('the images of the pages', () => {
  test('show the pages as they are: if this fails, run `npm run screenshots`', () => {
    expect(readFileSync(drawnFromFile, 'utf8').trim()).toBe(drawnFrom())
  })

  test('are of samples that exist, in every variant, and each of them stands in docs/pages.md', () => {
    for (const sample of imagesShown.values()) expect([...pageSamples.keys()]).toContain(sample)
    const wanted = [...imagesShown.keys()].flatMap((image) =>
      variants.map((variant) => imageName(image, variant)),
    )
    expect(images.map((path) => basename(path)).sort()).toEqual(wanted.sort())
    for (const name of wanted) expect(page).toContain(`"images/pages/${name}"`)
  })

  test('are small enough for everybody who clones the project', () => {
    const total = images.reduce((sum, path) => sum + statSync(path).size, 0)
    expect(total).toBeLessThan(1_500_000)
  })

  test('keep 256 colours exactly, and give any other the nearest of those', () => {
    const grey = (level: number) => [level, level, level, 255]
    // 256 greys twice each, so that what comes once is the one too many.
    const rgba = Uint8Array.from(
      [...Array(512).keys()].flatMap((each) => grey(each >> 1)).concat(9, 8, 9, 255),
    )
    const png = palettePng({ width: 27, height: 19, rgba })
    const palette = chunkOf(png, 'PLTE')
    const rows = inflateSync(chunkOf(png, 'IDAT'))
    const shown = [...rows].filter((_, at) => at % 28 !== 0).map((index) => palette[3 * index])
    expect(palette).toHaveLength(3 * 256)
    expect(shown).toEqual([...Array(512).keys()].map((each) => each >> 1).concat(9))
  })
})

function chunkOf(png: Buffer, type: string): Buffer {
  const at = png.indexOf(type)
  return png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4))
}
