import { styleText } from 'node:util'
import { isLoopbackHost } from '../lib/address.ts'
import { systemClock } from '../lib/clock.ts'
import { createGuardedFetch } from '../lib/guarded-fetch.ts'
import { checkUpstreamUrl } from '../lib/upstream-url.ts'
import type { Kind } from '../tester/check.ts'
import { createAsk, quoted } from '../tester/heard.ts'
import { type Tested, type TestReport, testUrl } from '../tester/test-url.ts'
import type { Answer, Call, Command } from './command.ts'
import { about, type Finding, findingLines, verdict } from './finding.ts'
import { readSecret, type Screen } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** Seconds for each request, and for all of them. */
const deadlines = { request: 10, test: 60 }

/**
 * The operator's own reach, as far as they said it: a name on a private network is asked only where it was written
 * here, and this machine only where the test is of something on it. What a server names on its own may be anything.
 */
async function test(call: Call): Promise<Answer> {
  const { argument, list, text, isSet, terminal } = call
  const url = argument('URL')
  const fault = checkUpstreamUrl(url, { allowLoopback: true })
  if (fault !== undefined) throw new UsageError(`what is to be tested ${fault}`)
  const { host, hostname } = new URL(url)
  const foreignTokenFile = text('foreign-token-file')
  const foreign = foreignTokenFile === undefined ? undefined : readSecret(terminal, foreignTokenFile)
  if (foreign !== undefined && !/^[\x21-\x7E]+$/.test(foreign)) {
    throw new UsageError('--foreign-token-file holds no token')
  }
  const tested = await testUrl(url, {
    ask: createAsk({
      fetch: createGuardedFetch({ allowLoopback: isLoopbackHost(hostname) }),
      deadline: deadlines.request,
      signal: AbortSignal.timeout(deadlines.test * 1000),
      privateHosts: new Set([host, ...list('private-host')]),
    }),
    now: systemClock(),
    registering: isSet('register') ? 'register' : 'leave',
    ...(foreign !== undefined && { foreignToken: async () => foreign }),
  })
  return { text: shown(tested, terminal.screen), json: tested, exitCode: tested.ok ? 0 : 1 }
}

/** One part for each server, and what all of it comes to. */
export function shown({ ok, tested }: TestReport, screen: Screen): string {
  const found = tested.map(findingsOf)
  const parts = tested.map(
    (each, index) => `${title(each, screen)}\n${findingLines(found[index] ?? [], screen)}`,
  )
  const fit = ok ? 'Fit for MCP.' : 'Not fit for MCP.'
  return [...parts, `${fit} ${verdict(found.flat())}`].join('\n\n')
}

function title({ kind, url }: Tested, { isColored }: Screen): string {
  const text = `${kind === 'mcp_server' ? 'MCP server' : 'Authorization server'} ${quoted(url)}`
  return isColored ? styleText('bold', text, { validateStream: false }) : text
}

const states = { success: 'ok', warning: 'note', error: 'wrong' } as const satisfies Record<Kind, string>

function findingsOf({ checks, unchecked }: Tested): Finding[] {
  return [
    // What to do about it is what is written there.
    ...checks.map(({ code, kind, message, spec }) => {
      const told = about(code)
      return kind === 'success' ? told.ok(message) : told[states[kind]](message, spec)
    }),
    ...unchecked.map(({ code, message, spec }) => about(code).unchecked(message, spec)),
  ]
}

export const testCommand: Command = {
  name: 'test',
  arguments: ['URL'],
  summary: 'test whether an authorization server (its issuer) or an MCP server is fit for MCP',
  options: {
    register: {
      help: 'register a client there, to try what only a client can; it is deleted where it can be',
    },
    'foreign-token-file': {
      value: 'FILE',
      help: 'a good token for another server, which an MCP server must refuse (- is standard input)',
    },
    'private-host': {
      value: 'HOST',
      help: 'a host that may be on a private network, with its port if it has one; that of URL always may',
      repeats: true,
    },
  },
  examples: [
    'coatcheck test https://auth.example.com',
    'coatcheck test https://notes.example.com/mcp --json',
  ],
  run: test,
}
