// Photographs the pages that docs/pages.md shows, from the functions that make them: npm run screenshots
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launchChromium } from './chromium.ts'
import { drawnFrom, drawnFromFile, imageFolder, imageName, imagesShown, variants } from './page-images.ts'
import { pageSamples } from './page-samples.ts'
import { type Pixels, palettePng } from './palette-png.ts'

rmSync(imageFolder, { recursive: true, force: true })
mkdirSync(imageFolder, { recursive: true })
const browser = await launchChromium()
for (const variant of variants) {
  const { width, colorScheme } = variant
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme })
  for (const [image, sample] of imagesShown) {
    await page.setContent(String(pageSamples.get(sample)))
    const png = await page.screenshot({ fullPage: true, clip: await ticketOf(page) })
    writeFileSync(join(imageFolder, imageName(image, variant)), palettePng(await pixelsOf(page, png)))
  }
  await page.close()
}
await browser.close()
writeFileSync(drawnFromFile, `${drawnFrom()}\n`)

/** The ticket and what stands below it, with some of the wall around. */
async function ticketOf(page: Page) {
  const wall = 28
  const ticket = await page.locator('.ticket').boundingBox()
  const smallPrint = await page.locator('.small-print').boundingBox()
  if (!ticket || !smallPrint) throw new Error('this is not one of our pages')
  const x = Math.max(0, ticket.x - wall)
  const y = Math.max(0, ticket.y - wall)
  return {
    x,
    y,
    width: Math.min(ticket.width + 2 * wall, page.viewportSize()?.width ?? 0),
    height: smallPrint.y + smallPrint.height + Math.min(wall, ticket.y) - y,
  }
}

/** The browser reads its own picture; nothing else here can. */
async function pixelsOf(page: Page, png: Buffer): Promise<Pixels> {
  const read: { width: number; height: number; base64: string } = await page.evaluate(`(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${png.toString('base64')}'
    await image.decode()
    const { width, height } = image
    const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d')
    context.drawImage(image, 0, 0)
    const { data } = context.getImageData(0, 0, width, height)
    return { width, height, base64: new Uint8Array(data.buffer).toBase64() }
  })()`)
  return { ...read, rgba: Buffer.from(read.base64, 'base64') }
}
