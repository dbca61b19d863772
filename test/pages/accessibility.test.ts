import type { Server } from 'node:http'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, launchChromium } from '../support/chromium.ts'
import { pageSamples } from '../support/page-samples.ts'
import { originOf, servePages } from '../support/page-server.ts'

const everyRule: axe.RunOptions = {
  runOnly: {
    type: 'tag',
    values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  },
}
/** The dark scheme changes colours and nothing else, and the width of a page no colour. */
const ofColor = ['color-contrast', 'link-in-text-block']
const rulesOfColor: axe.RunOptions = { runOnly: { type: 'rule', values: ofColor } }
const rulesOfShape: axe.RunOptions = {
  ...everyRule,
  rules: Object.fromEntries(ofColor.map((rule) => [rule, { enabled: false }])),
}
const variants = [
  { colorScheme: 'light', width: 360, height: 740, rules: rulesOfShape },
  { colorScheme: 'light', width: 1280, height: 800, rules: everyRule },
  { colorScheme: 'dark', width: 1280, height: 800, rules: rulesOfColor },
] as const

/** Between the banner and the small print, which every page has. */
const readings: Record<string, string[]> = {
  choose: [
    'heading "Sign in to continue" [level=1]',
    'button "Sign in with GitHub"',
    'button "Sign in with Google"',
    'button "Sign in with Atlassian"',
  ],
  // Deny before Allow, so that the Enter key never allows.
  consent: [
    'heading "“Claude Code” asks to use Project Desk for you" [level=1]',
    'button "Not you? Switch account"',
    'heading "At Project Desk, “Claude Code” could" [level=2]',
    'heading "At GitHub, Project Desk could" [level=2]',
    'heading "At Google, Project Desk could" [level=2]',
    'checkbox "Include Google. You can leave this out."',
    'link "your account page"',
    'button "Deny"',
    'button "Allow"',
  ],
  'pick-site': [
    'heading "Which Atlassian site?" [level=1]',
    'button "Acme acme.atlassian.net"',
    'button "Umbrella Research umbrella.atlassian.net"',
    'button "Initech initech.atlassian.net"',
    'button "Cancel"',
  ],
  account: [
    'heading "Your account" [level=1]',
    'button "Sign out here"',
    'heading "Who works for you" [level=2]',
    'button "End access of “Claude Code” at Project Desk"',
    'button "End access of “Cursor” at Team Notes"',
    'heading "Accounts you connected" [level=2]',
    'heading "GitHub: maria" [level=3]',
    'button "Disconnect GitHub: maria"',
    'heading "Google: maria@example.com" [level=3]',
    'button "Reconnect Google"',
    'button "Disconnect Google: maria@example.com"',
    'heading "How you sign in" [level=2]',
    'heading "GitHub: maria" [level=3]',
    'button "Remove GitHub: maria"',
    'heading "Google: maria@example.com" [level=3]',
    'button "Remove Google: maria@example.com"',
    'button "Sign in with Atlassian too"',
    'button "Sign in with GitHub too"',
    'heading "If something is wrong" [level=2]',
    'button "Sign out everywhere"',
    'button "End all access"',
  ],
  link: ['heading "Sign in with Google too?" [level=1]', 'button "No, go back"', 'button "Yes, this is me"'],
  connect: [
    'heading "Connect Google?" [level=1]',
    'heading "At Google, Project Desk could" [level=2]',
    'button "Not now"',
    'button "Continue"',
  ],
  'wrong-person': [
    'heading "That is a different account" [level=1]',
    'button "Stay as maria"',
    'button "Switch to maria-at-work"',
  ],
  interstitial: [
    'heading "This request cannot go on" [level=1]',
    'heading "What you can do" [level=2]',
    'link "Continue to helper.example"',
  ],
  'error-expired': ['heading "This took too long" [level=1]', 'heading "What you can do" [level=2]'],
  'sign-in-again': [
    'heading "Sign in again first" [level=1]',
    'button "Sign in with GitHub"',
    'button "Sign in with Google"',
    'link "No, go back"',
  ],
  done: ['heading "Connected" [level=1]', 'link "your account page"'],
}

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
    async ({ colorScheme, rules, ...viewport }) => {
      const found: string[] = []
      const page = await pageWithAxe({ colorScheme, viewport })
      for (const [name, sample] of pageSamples) {
        // All pages have the same headers and stylesheet, so one that is loaded can become every other.
        await page.evaluate(`document.documentElement.innerHTML = ${JSON.stringify(String(sample))}`)
        for (const complaint of await audit(page, rules)) found.push(`${name}: ${complaint}`)
      }
      expect(found).toEqual([])
      await page.close()
    },
    90_000,
  )

  test.each(Object.entries(readings))(
    'a screen reader tells %s by its landmarks, headings and controls, and the Tab key stops at each of those',
    async (name, reading) => {
      const page = await browser.newPage()
      await page.goto(`${originOf(server)}/${name}`)
      expect(await spoken(page, 'body')).toEqual(['banner', 'main', ...reading, 'contentinfo'])
      for (const control of reading.filter((line) => !line.startsWith('heading'))) {
        await page.keyboard.press('Tab')
        expect(await spoken(page, ':focus')).toEqual([control])
        expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
      }
      await page.close()
    },
  )

  test('the audit would notice: text too faint, a button without a name, a second main part', async () => {
    const page = await pageWithAxe()
    await page.evaluate(`{
      document.querySelector('.lead, .person p').style.color = 'rgb(200 200 200)'
      document.querySelector('button.main').textContent = ''
      document.querySelector('footer').outerHTML = '<main>Another</main>'
    }`)
    const broken = (await audit(page, everyRule)).map((complaint) => complaint.split(' ')[0])
    expect(broken).toEqual(
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

/** What is heard when somebody skips from part to part. */
async function spoken(page: Page, selector: string): Promise<string[]> {
  const snapshot = await page.locator(selector).ariaSnapshot()
  const parts = snapshot.matchAll(
    /^ *- '?((?:banner|main|contentinfo|heading|button|link|checkbox)\b(?: "[^"\n]*")?[^:'\n]*)/gm,
  )
  return [...parts].map(([, part = '']) => part.replace(/ \[(active|checked)\]/g, ''))
}

/** What axe holds against a page; what it could not decide counts too, or a rule might never have looked. */
async function audit(page: Page, rules: axe.RunOptions): Promise<string[]> {
  const options: axe.RunOptions = { ...rules, resultTypes: ['violations', 'incomplete'] }
  const result = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as axe.AxeResults
  return [...result.violations, ...result.incomplete].map(
    ({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html).join(' ')}`,
  )
}
