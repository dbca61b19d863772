import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMcpClient } from '../../examples/demo/mcp-client.ts'
import { runMcpServer } from '../../examples/demo/mcp-server.ts'
import { parseCall } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'
import { createBrowser } from '../support/browser.ts'
import { coatcheckAt } from '../support/cli.ts'
import { freePort } from '../support/gateway.ts'
import { createCredential, startWorld, type World } from '../support/world.ts'

const redirectUrl = 'http://127.0.0.1:9/callback'

/** The blocks of a page in one language, as they are told to be run or written. */
function blocksOf(path: string, language: string): string[] {
  const found = readFileSync(path, 'utf8').matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))
  return [...found].map(([, text = '']) => text)
}

/** The calls of our command line that a page shows, each in the words a shell makes of it. */
function callsOf(path: string): string[][] {
  const lines = blocksOf(path, 'sh').flatMap((text) => text.replaceAll(/\\\n */g, '').split('\n'))
  return lines.flatMap((line) => {
    const [, call] = /^(?:npm run coatcheck --|coatcheck) +(.*?)(?: {2,}#.*)?$/.exec(line) ?? []
    return call === undefined
      ? []
      : [[...call.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')]
  })
}

const pages = ['README.md', ...globSync('docs/guides/*.md')]
const shown = pages.flatMap((path) => callsOf(path).map((words) => ({ path, words, line: words.join(' ') })))

test.each(shown)('$path: coatcheck $line is a call that is taken', ({ words }) => {
  const command = commands.find(({ name }) => name === words.slice(0, name.split(' ').length).join(' '))
  expect(command).toBeDefined()
  if (command) expect(() => parseCall(command, words.slice(command.name.split(' ').length))).not.toThrow()
})

const squeezed = (text: string) => text.replaceAll(/\s+/g, ' ').trim()
const compiled = squeezed(readFileSync('test/docs/snippets/notes.ts', 'utf8'))
const withSnippets = ['README', 'docs/guides/tool-scopes', 'docs/guides/calling-apis', 'docs/guides/denials']
const snippets = withSnippets.flatMap((name) => blocksOf(`${name}.md`, 'ts').map((text) => ({ name, text })))

test.each(snippets)('what $name shows is what the compiler read: $text', ({ text }) => {
  expect(compiled).toContain(squeezed(text))
})

describe('walked through', () => {
  let world: World
  const cli = (words: readonly string[], files: Record<string, string> = {}) =>
    coatcheckAt(world.gateway)(words, { files })
  const json = async (...words: string[]) => JSON.parse((await cli([...words, '--json'])).out ?? '')

  beforeAll(async () => {
    world = await startWorld('oidc')
  })
  afterAll(() => world.stop())

  /** A client of the official SDK that Ada let in. */
  async function signedIn(mcpUrl: string) {
    const client = createMcpClient({ mcpUrl, redirectUrl })
    onTestFinished(client.close)
    const url = await client.connect()
    const browser = createBrowser({ redirectUris: [redirectUrl] })
    await client.finish(new URL((await browser.walk(url?.href ?? '', ['Allow'])).url))
    return client
  }

  test('the way of an author ends at a server that knows who calls', async () => {
    const port = await freePort()
    const here = (text: string) => text.replaceAll('localhost:3000', `localhost:${port}`)
    const [register, credential] = callsOf('docs/guides/mcp-servers.md')
    expect(await cli((register ?? []).map(here))).toMatchObject({ exitCode: 0 })
    const made = await json(...(credential ?? []))
    await run(
      here(blocksOf('docs/guides/mcp-servers.md', 'js')[0] ?? '').replace('listen(3000,', `listen(${port},`),
      {
        COATCHECK_ISSUER: world.gateway.issuer,
        RESOURCE_CLIENT_ID: made.client_id,
        RESOURCE_CLIENT_SECRET: made.client_secret,
      },
    )
    const client = await signedIn(`http://localhost:${port}/mcp`)
    expect(await client.call('whoami')).toMatchObject({
      text: expect.stringMatching(/^You are sub_\S+, with notes\.read notes\.write$/),
    })
  })

  test('the way of an administrator opens and closes what it says', async () => {
    const port = await freePort()
    const mcpUrl = `http://localhost:${port}/mcp`
    const scopes = { 'profile.read': 'See who you are', 'repositories.read': 'List your repositories' }
    const providers = [{ provider: world.provider, scopes: [world.upstream.scope] }]
    const resource = {
      resource: mcpUrl,
      name: 'Example',
      scopes,
      default_scopes: Object.keys(scopes),
      providers,
    }
    await world.gateway.admin('PUT', '/resources/example', resource)
    const { id, secret } = await createCredential(world.gateway, 'example')
    const { issuer } = world.gateway
    const env = { COATCHECK_ISSUER: issuer, MCP_URL: mcpUrl, PORT: String(port), TOOL_POLICY: 'gateway' }
    const server = await runMcpServer({ ...env, RESOURCE_CLIENT_ID: id, RESOURCE_CLIENT_SECRET: secret })
    onTestFinished(server.stop)

    // Somebody tried before anything was open, which is what the last commands find.
    const client = await signedIn(mcpUrl)
    expect(await client.call('list_repositories')).toMatchObject({ isError: true })
    for (const words of callsOf('docs/guides/tool-policy.md')) {
      const meant = []
      for (const word of words) meant.push(await meaning(word, words))
      expect({ words, ...(await cli(meant)) }).toMatchObject({ exitCode: 0 })
    }
    expect(await client.tools()).toEqual(['whoami'])
    expect(await client.call('list_repositories')).toMatchObject({ isError: true })
  })

  /** What stands for a word in capital letters here and now. */
  async function meaning(word: string, words: readonly string[]): Promise<string> {
    switch (word) {
      case 'HASH':
        return (await json('tool', 'show', 'example', words[3] ?? '')).published_hash
      case 'SUBJECT':
        return (await json('subject', 'list')).items[0].id
      case 'BINDING':
        return (await json('binding', 'list', 'example')).items.find(isNoDenial).id
      case 'DECISION':
        return (await json('decision', 'list')).items[0].id
      default:
        return word
    }
  }
})

const isNoDenial = ({ conditions }: { conditions: object }) => !('denied_tools' in conditions)

/** Runs a page's server as a program of its own, inside this repository's packages, until the test is over. */
async function run(program: string, env: Record<string, string>): Promise<void> {
  mkdirSync('node_modules/.cache', { recursive: true })
  const folder = mkdtempSync(join('node_modules/.cache', 'guide-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'server.mjs')
  writeFileSync(file, program)
  const child = spawn(process.execPath, ['--conditions=coatcheck-source', file], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(createInterface(child.stdout), 'line')
}
