import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

// How a process of the gateway ends: an error that nobody caught (FC-21), signals, and one that would open the inspector.

const ending = resolve('src/ending.ts')

/** A process that ends in order after this has been done to it, and what it said. */
async function run(
  fate: string,
  stop = 'async () => console.log("answered")',
  signals: NodeJS.Signals[] = [],
) {
  const program = `
    import { endInOrder, keepInspectorShut } from ${JSON.stringify(ending)}
    keepInspectorShut()
    const log = { fatal: ({ err }, what) => console.log(what + ': ' + err.message) }
    const { end } = endInOrder({ stop: ${stop}, log }, () => console.log('failing'))
    setInterval(() => {}, 1000)
    console.log('ready')
    ${fate}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program])
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const exit = once(child, 'exit')
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk
    // One after the other: each was taken before the next comes.
    const signal = /ready|again/.test(String(chunk)) ? signals.shift() : undefined
    if (signal) child.kill(signal)
  })
  const [code, signal] = await exit
  return { said: said.trim().split('\n').slice(1), code, signal }
}

test.each([
  ['thrown', `setImmediate(() => { throw new Error('a fault') })`],
  ['rejected', `void Promise.reject(new Error('a fault'))`],
])(
  'after an error that was %s and that nobody caught, what is under way is answered, and the exit code tells',
  async (_how, fate) => {
    expect(await run(fate)).toEqual({
      said: ['an error was caught by nobody; this process ends: a fault', 'failing', 'answered'],
      code: 1,
      signal: null,
    })
  },
)

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends it in order', async (signal) => {
  expect(await run('', undefined, [signal])).toEqual({ said: ['answered'], code: 0, signal: null })
})

test('a stop that fails is told, and its exit code tells', async () => {
  const stop = `async () => { throw new Error('no way') }`
  expect(await run('end()', stop)).toEqual({ said: ['the stop failed: no way'], code: 1, signal: null })
})

test('a second signal ends it at once', async () => {
  const stop = `async () => { console.log('again'); await new Promise(() => {}) }`
  expect(await run('', stop, ['SIGTERM', 'SIGTERM'])).toMatchObject({ code: null, signal: 'SIGTERM' })
})

test('no inspector opens to SIGUSR1', async () => {
  const fate = `process.on('SIGUSR1', () => setImmediate(() => console.log('again')))`
  expect(await run(fate, undefined, ['SIGUSR1', 'SIGTERM'])).toEqual({
    said: ['again', 'answered'],
    code: 0,
    signal: null,
  })
})
