import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../examples/demo/ports.ts'
import { createBrowser } from '../support/browser.ts'
import { createTestClock, startTestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstreams.ts'
import { registerClient } from '../support/world.ts'

/** The revisions of the MCP specification the suite knows. */
export const specVersions = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']

/** One check of the suite's, in its own words: SUCCESS, FAILURE, WARNING, SKIPPED or INFO. */
export type Outcome = { specVersion: string; check: string; status: string; message: string }

const program = 'node_modules/@modelcontextprotocol/conformance/dist/index.js'

/**
 * Runs the `authorization` command of the public conformance suite, once for each revision, against a gateway of its
 * own. The suite prints where a person has to go and waits; a browser that presses Allow goes there.
 */
export async function runSuite(versions: readonly string[] = specVersions): Promise<Outcome[]> {
  const clock = createTestClock()
  const gateway = await startTestGateway({ clock })
  const github = await startUpstream('github', { issuer: gateway.issuer, clock: clock.now })
  try {
    github.approveAs('ada')
    await gateway.admin('PUT', '/providers/github', github.definition)
    const resource = 'https://mcp.example/mcp'
    await gateway.admin('PUT', '/resources/example', {
      resource,
      name: 'Example',
      scopes: { read: 'Read what is there' },
      default_scopes: ['read'],
      providers: [{ provider: 'github', scopes: [github.scope], required: true }],
    })
    const outcomes: Outcome[] = []
    for (const specVersion of versions) {
      const [port = 0] = await freePorts(1)
      const redirectUri = `http://127.0.0.1:${port}/callback`
      const clientId = await registerClient(gateway, { redirect_uris: [redirectUri] })
      const args = ['--url', gateway.issuer, '--client-id', clientId, '--port', String(port)]
      const checks = await runCommand([...args, '--spec-version', specVersion], redirectUri)
      outcomes.push(
        ...checks.map(({ id, status, errorMessage = '' }) => ({
          specVersion,
          check: id,
          status,
          message: errorMessage,
        })),
      )
    }
    return outcomes
  } finally {
    await github.stop()
    await gateway.stop()
  }
}

type Check = { id: string; status: string; errorMessage?: string }

async function runCommand(args: readonly string[], redirectUri: string): Promise<Check[]> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-conformance-'))
  try {
    const child = spawn(process.execPath, [program, 'authorization', '--output-dir', folder, ...args])
    let printed = ''
    let approving: Promise<unknown> | undefined
    child.stdout.on('data', (chunk) => {
      printed += chunk
      const url = /^http\S+\/oauth\/authorize\?\S+$/m.exec(printed)?.[0]
      // It listens only after it has said where to go.
      if (url === undefined || !printed.includes('Callback server started')) return
      approving ??= approve(url, redirectUri).catch(() => child.kill())
    })
    await new Promise((resolve) => child.once('close', resolve))
    await approving
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('checks.json'))
      .toSorted()
      .flatMap((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as Check[])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function approve(url: string, redirectUri: string): Promise<void> {
  const stop = await createBrowser({ redirectUris: [redirectUri] }).walk(url, ['Allow'])
  await fetch(stop.url)
}
