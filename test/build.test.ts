import { type ChildProcess, execFile, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  files: string[]
  bin: { coatcheck: string }
  engines: { node: string }
  dependencies: Record<string, string>
}

/** An installed package: what `files` names, and the production dependencies alone. */
let folder = ''
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coatcheck-build-'))
  const tsc = resolve('node_modules/typescript/bin/tsc')
  // As `npm run build` does: the gateway is built against the SDK as that is built.
  await run(process.execPath, [tsc, '-p', 'sdk/tsconfig.build.json'])
  await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')])
  for (const path of ['package.json', ...manifest.files.filter((file) => file !== 'dist')]) {
    cpSync(path, join(folder, path), { recursive: true })
  }
  for (const name of Object.keys(manifest.dependencies)) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(resolve('node_modules', name), link)
  }
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Env = Record<string, string>

/** What is built, run where nothing else of this repository is. */
function coatcheck(command: string[], env: Env = {}): ChildProcess {
  const child = spawn(process.execPath, [manifest.bin.coatcheck, ...command], { cwd: folder, env })
  children.push(child)
  return child
}

async function ended(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  const output: string[] = []
  child.stdout?.on('data', (data) => output.push(String(data)))
  child.stderr?.on('data', (data) => output.push(String(data)))
  const code = await new Promise<number | null>((resolved) => child.once('close', resolved))
  return { code, output: output.join('') }
}

/** Resolves with everything it said up to the line that says it is open. */
async function opened(child: ChildProcess): Promise<string[]> {
  const said: string[] = []
  if (!child.stdout) throw new Error('no output')
  for await (const line of createInterface(child.stdout)) {
    said.push(line)
    if (line.startsWith('Coatcheck is open at ')) return said
  }
  throw new Error(`it ended: ${said.join('\n')}`)
}

/** Takes a port of this machine until it is let go. */
async function takePort(): Promise<{ port: number; release(): Promise<void> }> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    release: () => new Promise((closed) => server.close(() => closed())),
  }
}

test('what is built imports nothing but the production dependencies', () => {
  const bare = /(?:from|import|require)\s*\(?\s*['"]((?:@[\w-]+\/)?[a-z][\w./:-]*)['"]/g
  const imported = globSync('dist/**/*.js', { cwd: folder }).flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(bare)].map(([, name = '']) => name),
  )
  const packages = imported
    .filter((name) => !name.startsWith('node:'))
    .map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name)
  expect(packages.length).toBeGreaterThan(0)
  expect(packages.filter((name) => !Object.hasOwn(manifest.dependencies, name))).toEqual([])
})

test('it serves, finds its descriptors and migrations, and stops when it is told to', async () => {
  const { port, release } = await takePort()
  await release()
  const issuer = `http://localhost:${port}`
  const gateway = coatcheck(['serve'], { COATCHECK_ISSUER: issuer, COATCHECK_PORT: String(port) })
  const end = ended(gateway)
  expect(await opened(gateway)).toContain(`Coatcheck is open at ${issuer}`)
  expect(existsSync(join(folder, 'data/coatcheck.db'))).toBe(true)

  expect(await (await fetch(`${issuer}/healthz`)).json()).toEqual({ status: 'ok' })
  expect(await (await fetch(`${issuer}/readyz`)).json()).toEqual({ status: 'ok' })
  const metadata = await fetch(`${issuer}/.well-known/oauth-authorization-server`)
  expect(await metadata.json()).toMatchObject({ issuer, token_endpoint: `${issuer}/oauth/token` })

  const adminToken = readFileSync(join(folder, 'data/admin.token'), 'utf8').trim()
  const saved = await fetch(`${issuer}/admin/v1/providers/github`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ descriptor: 'github', client_id: 'abc', client_secret: 'def' }),
  })
  expect(saved.status).toBe(201)

  gateway.kill('SIGTERM')
  const { code, output } = await end
  expect(code).toBe(0)
  expect(output).toContain(join('data', 'master.key'))
  expect(output).not.toContain(adminToken)
  expect(output).not.toMatch(/warning|deprecat/i)
})

test('a mistaken configuration ends the start with every mistake, before anything is written', async () => {
  const elsewhere = join(folder, 'elsewhere')
  const { code, output } = await ended(
    coatcheck(['serve'], {
      COATCHECK_ISSUER: 'https://auth.example',
      COATCHECK_PORT: 'http',
      COATCHECK_DATABASE_URL: `sqlite:${elsewhere}/coatcheck.db`,
    }),
  )
  expect(code).toBe(1)
  expect(output).toBe(`Coatcheck: the configuration has 2 errors:
  COATCHECK_PORT: is not a port
  COATCHECK_MASTER_KEYS: is required unless the issuer is on loopback
`)
  expect(existsSync(elsewhere)).toBe(false)
})

test('an address that is taken is told in one line', async () => {
  const { port, release } = await takePort()
  const { code, output } = await ended(coatcheck(['serve'], { COATCHECK_PORT: String(port) }))
  await release()
  expect(code).toBe(1)
  expect(output).toContain(`Coatcheck: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`)
})

test('help is given, and asked for where a command is not known', async () => {
  expect(await ended(coatcheck(['help']))).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^Usage: /),
  })
  expect(await ended(coatcheck(['hlep']))).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^Coatcheck does not know the command hlep\.\n\nUsage: /),
  })
})

test('the version of Node it asks for is the one the package names', () => {
  const [, oldest] = /oldestNode = (\d+)/.exec(readFileSync('src/cli.ts', 'utf8')) ?? []
  expect(manifest.engines.node).toBe(`>=${oldest}`)
})
