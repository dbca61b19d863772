// Writes every page to a folder and photographs it, to look at: node test/support/gallery.ts FOLDER [NAME...]
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { launchChromium } from './chromium.ts'
import { pageSamples } from './page-samples.ts'

const [folder, ...only] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node test/support/gallery.ts FOLDER [NAME...]')
const names = [...pageSamples.keys()].filter((name) => only.length === 0 || only.includes(name))
const sizes = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
]

mkdirSync(folder, { recursive: true })
const browser = await launchChromium()
for (const name of names) writeFileSync(join(folder, `${name}.html`), String(pageSamples.get(name)))
for (const colorScheme of ['light', 'dark'] as const) {
  for (const viewport of sizes) {
    const page = await browser.newPage({ viewport, colorScheme })
    for (const name of names) {
      await page.setContent(String(pageSamples.get(name)))
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      if (overflow !== 0) console.log(`${name} is ${overflow} px too wide at ${viewport.width} px`)
      await page.screenshot({
        path: join(folder, `${name}-${viewport.width}-${colorScheme}.png`),
        fullPage: true,
      })
    }
    await page.close()
  }
}
await browser.close()
