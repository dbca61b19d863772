import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export type ChildClient = {
  child: ChildProcess
  /** Waits for a line on its standard error, and answers what the expression matched. */
  printed(expression: RegExp): Promise<string>
  /** Waits for its end, and answers everything it wrote to standard output. */
  output(): Promise<string>
}

/** A folder for what a client stores, which goes with the test. */
export function newStore(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-client-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A client in a process of its own. It finds no browser to open, so that it says where a person should go. */
export function startClient(args: readonly string[], env: Record<string, string>): ChildClient {
  const child = spawn(process.execPath, args, { env: { PATH: '', NO_COLOR: '1', ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  let [out, errors] = ['', '']
  const waiting: (() => void)[] = []
  const tell = () => {
    for (const resolve of waiting.splice(0)) resolve()
  }
  const change = () => new Promise<void>((resolve) => waiting.push(resolve))
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
    tell()
  })
  let hasEnded = false
  child.once('close', () => {
    hasEnded = true
    tell()
  })
  return {
    child,
    async printed(expression) {
      for (;;) {
        const found = expression.exec(errors)?.[0]
        if (found !== undefined) return found
        if (hasEnded) throw new Error(`it ended without ${expression}: ${errors}`)
        await change()
      }
    },
    async output() {
      while (!hasEnded) await change()
      if (child.exitCode !== 0) throw new Error(`it ended with ${child.exitCode}: ${errors}`)
      return out
    },
  }
}
