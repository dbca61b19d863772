import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { html } from '../../src/lib/html.ts'
import { form } from '../../src/pages/form.ts'
import { layout } from '../../src/pages/layout.ts'
import { hasChromium, launchChromium } from '../support/chromium.ts'
import { pageSamples } from '../support/page-samples.ts'
import { answerWith, listening, originOf } from '../support/page-server.ts'

// What only a real browser can tell: that the policy lets the page work and the flow pass.
describe.skipIf(!hasChromium)('in Chromium', () => {
  let browser: Browser
  let ours: Server
  let client: Server
  const posts: IncomingMessage[] = []

  beforeAll(async () => {
    browser = await launchChromium()
    client = await listening((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<title>client</title>')
    })
    ours = await listening((request, response) => {
      if (request.method === 'POST') return answerPost(request, response)
      answerWith(pageSamples.get(request.url?.slice(1) ?? '') ?? question, response)
    })
  })

  afterAll(async () => {
    await browser.close()
    ours.close()
    client.close()
  })

  const question = layout(
    { title: 'Question', issuerHost: 'auth.example' },
    form({ action: '/answer', fields: {} }, html`<button name="decision" value="allow">Allow</button>`),
  )

  function answerPost(request: IncomingMessage, response: ServerResponse) {
    posts.push(request)
    response.writeHead(303, { location: `${originOf(client, 'localhost')}/callback` }).end()
  }

  test('every page shows without a complaint of its policy, and fits 320 and 1280 pixels', async () => {
    const complaints: string[] = []
    const page = await browser.newPage()
    page.on('console', (message) => complaints.push(message.text()))
    page.on('dialog', (dialog) => complaints.push(dialog.message()))
    for (const name of pageSamples.keys()) {
      await page.goto(`${originOf(ours)}/${name}`)
      expect(await styled(page), name).toBe(true)
      // WCAG 1.4.10: 320 pixels is 1280 at a zoom of four.
      for (const width of [320, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        expect(await page.evaluate('document.documentElement.scrollWidth'), name).toBeLessThanOrEqual(width)
      }
    }
    expect(complaints).toEqual([])
    await page.close()
  }, 60_000)

  test('an answer leads through redirects to another origin, and says where it came from', async () => {
    const page = await browser.newPage()
    await page.goto(`${originOf(ours)}/question`)
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.waitForURL(`${originOf(client, 'localhost')}/callback`)
    expect(posts.at(-1)?.headers).toMatchObject({ origin: originOf(ours), 'sec-fetch-site': 'same-origin' })
    await page.close()
  })

  test('the window that opened us is still there at the callback', async () => {
    const page = await browser.newPage()
    await page.goto(`${originOf(client, 'localhost')}/start`)
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate(`void window.open('${originOf(ours)}/question')`),
    ])
    await popup.getByRole('button', { name: 'Allow' }).click()
    await popup.waitForURL(`${originOf(client, 'localhost')}/callback`)
    expect(await popup.evaluate('window.opener !== null && window.opener.document.title')).toBe('client')
    await page.close()
  })

  test('no other page can frame us', async () => {
    const page = await browser.newPage()
    await page.goto(`${originOf(client, 'localhost')}/start`)
    await page.setContent(`<iframe src="${originOf(ours)}/question"></iframe>`)
    const framed = page.frames().find((frame) => frame !== page.mainFrame())
    expect(await framed?.getByRole('button').count()).toBe(0)
    await page.close()
  })
})

function styled(page: Page): Promise<unknown> {
  return page.evaluate("getComputedStyle(document.querySelector('.ticket')).filter.startsWith('drop-shadow')")
}
