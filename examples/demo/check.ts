import { type Browser, createBrowser, described } from '../../test/support/browser.ts'
import { type Step, startDemo } from './demo.ts'
import { createMcpClient, type McpClient, type ToolAnswer } from './mcp-client.ts'

const redirectUrl = 'http://localhost:8976/callback'

/** Goes the whole way without a person: the official SDK's client, and a browser that presses the buttons it sees. */
export async function checkDemo(step: Step): Promise<void> {
  const demo = await startDemo(step)
  const client = createMcpClient({ mcpUrl: demo.mcpUrl, redirectUrl })
  const browser = createBrowser({ redirectUris: [redirectUrl] })
  try {
    await signIn(step, client, browser)
    await callTools(step, client)
    await takeBack(step, client, browser, demo.upstreams.revokeAtGithub)
  } finally {
    await client.close()
    await demo.stop()
  }
}

async function signIn(step: Step, client: McpClient, browser: Browser): Promise<void> {
  const authorizationUrl = await step('an MCP client is refused, finds Coatcheck and registers itself', () =>
    client.connect(),
  )
  if (!authorizationUrl) throw new Error('the MCP server lets in whoever comes')
  const asked = await step('Ada chooses how to sign in, and sees what is asked of her', () =>
    browser.walk(authorizationUrl.href, ['Sign in with GitHub']),
  )
  if (!asked.text.includes('Read your calendars')) throw new Error(`no consent page but ${described(asked)}`)
  const back = await step('she allows it, and agrees at GitHub, Google and Atlassian', () =>
    browser.walk(asked, ['Allow', 'Authorize']),
  )
  if (!back.left) throw new Error(`she should be back at her client, but is on ${described(back)}`)
  await step('the client redeems its code and connects', () => client.finish(new URL(back.url)))
}

async function callTools(step: Step, client: McpClient): Promise<void> {
  const expected = {
    whoami: 'Ada Lovelace',
    list_repositories: 'ada/analytical-engine',
    list_events: 'Tea with Mr Babbage',
    list_sites: 'https://engine.atlassian.net',
  }
  for (const [tool, text] of Object.entries(expected)) await expectAnswer(step, client, tool, text)
}

async function takeBack(
  step: Step,
  client: McpClient,
  browser: Browser,
  revokeAtGithub: () => void,
): Promise<void> {
  revokeAtGithub()
  const refusal = await step('Ada takes it back at GitHub: the tool answers with a link', () =>
    answerOf(client, 'whoami'),
  )
  const link = /http\S+\/connect\/\S+/.exec(refusal.text)?.[0]
  if (!refusal.isError || link === undefined) throw new Error(`no link but: ${refusal.text}`)
  const done = await step('she opens it and signs in again', () =>
    browser.walk(link, ['Continue', 'Authorize']),
  )
  if (!done.text.includes('Connected')) throw new Error(`not connected again: ${described(done)}`)
  await expectAnswer(step, client, 'whoami', 'Ada Lovelace')
}

async function expectAnswer(step: Step, client: McpClient, tool: string, text: string): Promise<void> {
  const answer = await step(`${tool} answers ${text}`, () => answerOf(client, tool))
  if (answer.isError || !answer.text.includes(text)) throw new Error(`${tool} answered: ${answer.text}`)
}

async function answerOf(client: McpClient, tool: string): Promise<ToolAnswer> {
  const answer = await client.call(tool)
  if (answer instanceof URL) throw new Error('the client has lost its permission')
  return answer
}
