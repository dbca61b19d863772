import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { UsageError } from './usage-error.ts'

/** `columns` are absent where it is a file or another program. */
export type Screen = { columns: number | undefined; isColored: boolean }

/** What a command may see of the process it runs in. */
export type Terminal = {
  env: Readonly<Record<string, string | undefined>>
  readFile(path: string): string
  /** All of standard input. */
  readInput(): string
  isInteractive: boolean
  /** Writes what is too long to be one answer, as fast as it is taken. */
  write(text: string): Promise<void>
  /** Where answers go. */
  screen: Screen
  /** What is typed, without showing it; all of standard input where nobody types. */
  askSecret(question: string): Promise<string>
}

const readInput = () => readFileSync(0, 'utf8')

async function typed(question: string): Promise<string> {
  // The echo of what is typed goes nowhere.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  process.stderr.write(question)
  try {
    return await lines.question('')
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

export function processTerminal(): Terminal {
  return {
    env: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
    readInput,
    write: async (text) => {
      if (!process.stdout.write(text)) await once(process.stdout, 'drain')
    },
    isInteractive: process.stdin.isTTY,
    // Node heeds NO_COLOR and FORCE_COLOR there.
    screen: process.stdout.isTTY
      ? { columns: process.stdout.columns, isColored: process.stdout.hasColors() }
      : { columns: undefined, isColored: false },
    askSecret: async (question) =>
      process.stdin.isTTY ? await typed(question) : readInput().replace(/\r?\n$/, ''),
  }
}

/** A file's text, or standard input's where the path is `-`. */
export function readText({ readFile, readInput }: Terminal, path: string): string {
  try {
    return path === '-' ? readInput() : readFile(path)
  } catch {
    throw new UsageError(path === '-' ? 'standard input cannot be read' : `${path} cannot be read`)
  }
}

/** A secret out of a file; the newline that ends it is not part of it. */
export function readSecret(terminal: Terminal, path: string): string {
  const secret = readText(terminal, path).replace(/\r?\n$/, '')
  if (secret === '') throw new UsageError(path === '-' ? 'standard input is empty' : `${path} is empty`)
  return secret
}

/** A JSON object out of a file. */
export function readBody(terminal: Terminal, path: string): Record<string, unknown> {
  let body: unknown
  try {
    body = JSON.parse(readText(terminal, path))
  } catch (error) {
    if (error instanceof UsageError) throw error
    // The parser's own words quote the text, which may hold secrets.
    throw new UsageError(`${path} is not JSON`)
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new UsageError(`${path} holds no JSON object`)
  }
  return { ...body }
}
