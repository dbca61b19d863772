import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePorts } from '../../examples/demo/ports.ts'

/** The demo as its script runs it, with a folder of its own for what it writes. */
function run(...options: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return runIn(folder, options)
}

function runIn(folder: string, options: string[]) {
  const child = spawn(
    process.execPath,
    ['--conditions=coatcheck-source', 'examples/demo/main.ts', ...options],
    {
      env: { PATH: process.env.PATH, TMPDIR: folder, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const printed: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(String(chunk)))
  return { child, left: () => readdirSync(folder), printed: () => printed.join('') }
}

const exitOf = async (child: ChildProcess) => (await once(child, 'exit'))[0]

test('the demo checks itself, step by step, and leaves nothing behind', async () => {
  const { child, left, printed } = run('--check')
  const code = await exitOf(child)
  expect(printed()).toMatch(/✓ whoami answers Ada Lovelace \d+ ms\n/)
  expect(printed()).toContain('All of it works.')
  expect(printed()).not.toContain('✗')
  expect(code).toBe(0)
  expect(left()).toEqual([])
})

test('a check that fails says why', async () => {
  const { child, printed } = runIn('/nowhere', ['--check'])
  const code = await exitOf(child)
  expect(printed()).toContain('The demo failed: ENOENT')
  expect(code).toBe(1)
})

test('the demo says where to click, and goes with Ctrl-C', async () => {
  const { child, left, printed } = run()
  while (!printed().includes('Ctrl-C')) await once(child.stdout, 'data')
  const page = /Click through it +(\S+)/.exec(printed())?.[1] ?? ''
  expect(await (await fetch(page)).text()).toContain('An MCP client')
  expect(printed()).toMatch(/claude mcp add --transport http coatcheck-demo http:\/\/localhost:\d+\/mcp\n/)
  expect(left()).toEqual([expect.stringMatching(/^coatcheck-demo-/)])

  child.kill('SIGINT')
  expect(await exitOf(child)).toBe(0)
  expect(left()).toEqual([])
})

test('an option the demo does not know is refused', async () => {
  const { child, printed } = run('--chekc')
  expect(await exitOf(child)).toBe(2)
  expect(printed()).toContain('Usage: npm run demo')
})

test.each(['127.0.0.1', '::1'])('a port that somebody has on %s is replaced by another', async (host) => {
  const taken = createServer().listen(0, host)
  onTestFinished(() => void taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const [first, ...others] = await freePorts(3, port)
  expect(first).not.toBe(port)
  expect(new Set([port, first, ...others]).size).toBe(4)
})
