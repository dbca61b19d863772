import type { Server } from 'node:http'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, launchChromium } from '../support/chromium.ts'
import { pageSamples } from '../support/page-samples.ts'
import { originOf, servePages } from '../support/page-server.ts'

const variants = (['light', 'dark'] as const).flatMap((colorScheme) => [
  { colorScheme, width: 360, height: 740 },
  { colorScheme, width: 1280, height: 800 },
])
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

describe.skipIf(!hasChromium)('for people who see, hear or point otherwise', () => {
  let browser: Browser
  let server: Server

  beforeAll(async () => {
    browser = await launchChromium()
    server = await servePages()
  })

  afterAll(async () => {
    await browser.close()
    server.close()
  })

  // What the debugger evaluates is not held to the page's policy, which therefore stays as strict as it ships.
  async function pageWithAxe(options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
    const page = await browser.newPage(options)
    await page.goto(`${originOf(server)}/consent`)
    await page.evaluate(axe.source)
    return page
  }

  test.each(variants)(
    'axe finds nothing wrong with any page, $colorScheme, at $width pixels',
    async ({ colorScheme, ...viewport }) => {
      const found: string[] = []
      const page = await pageWithAxe({ colorScheme, viewport })
      for (const [name, sample] of pageSamples) {
        // All pages have the same headers and stylesheet, so one that is loaded can become every other.
        await page.evaluate(`document.documentElement.innerHTML = ${JSON.stringify(String(sample))}`)
        for (const complaint of await audit(page)) found.push(`${name}: ${complaint}`)
      }
      expect(found).toEqual([])
      await page.close()
    },
    90_000,
  )

  test('the audit would notice: text too faint, a button without a name, a second main part', async () => {
    const page = await pageWithAxe()
    await page.evaluate(`{
      document.querySelector('.lead, .person p').style.color = 'rgb(200 200 200)'
      document.querySelector('button.main').textContent = ''
      document.querySelector('footer').outerHTML = '<main>Another</main>'
    }`)
    const rules = (await audit(page)).map((complaint) => complaint.split(' ')[0])
    expect(rules).toEqual(
      expect.arrayContaining(['button-name', 'color-contrast', 'landmark-no-duplicate-main']),
    )
    await page.close()
  })

  test('the policy of a page that axe looks at still lets no script in', async () => {
    const page = await pageWithAxe()
    await page.evaluate(`{
      const script = document.createElement('script')
      script.textContent = 'window.broughtIn = true'
      document.head.append(script)
    }`)
    expect(await page.evaluate('window.broughtIn')).toBeUndefined()
    await page.close()
  })
})

/** What axe holds against a page; what it could not decide counts too, or a rule might never have looked. */
async function audit(page: Page): Promise<string[]> {
  const options: axe.RunOptions = {
    runOnly: { type: 'tag', values: tags },
    resultTypes: ['violations', 'incomplete'],
  }
  const result = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as axe.AxeResults
  return [...result.violations, ...result.incomplete].map(
    ({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html).join(' ')}`,
  )
}
