import fc from 'fast-check'
import { expect, test } from 'vitest'
import { secondsOf } from '../../src/cli/audit.ts'
import { parseCall } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'
import { stepsOf } from '../../src/cli/completion.ts'
import { spanIn } from '../../src/cli/input.ts'
import { admitOf } from '../../src/cli/providers.ts'
import { callersOf, providerAccess } from '../../src/cli/resources.ts'
import { columns, wordsOf } from '../../src/cli/show.ts'
import { UsageError } from '../../src/cli/usage-error.ts'
import { coatcheck } from '../support/cli.ts'

test('names of commands are unique, and none is the beginning of another', () => {
  const names = commands.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter((name) => names.some((other) => other.startsWith(`${name} `)))).toEqual([])
})

test.each(commands.map(({ name }) => name))('%s has help', async (name) => {
  const { out, exitCode } = await coatcheck([...name.split(' '), '--help'])
  expect(exitCode).toBe(0)
  expect(out).toContain(`Usage: coatcheck ${name}`)
  expect(out).toContain(`Example: `)
})

test('help about a word lists the commands that begin with it', async () => {
  for (const args of [
    ['provider', '--help'],
    ['help', 'provider'],
    ['provider', '-h'],
  ]) {
    const { out, exitCode } = await coatcheck(args)
    expect(exitCode).toBe(0)
    expect(out).toContain('provider check ID')
    expect(out).not.toContain('resource set')
  }
})

test.each([
  ['an unknown command', ['providers', 'list'], 'does not know the command providers list'],
  ['half a command', ['provider'], 'Usage: coatcheck provider COMMAND'],
  ['nothing', [], 'Usage: coatcheck COMMAND'],
  ['a missing argument', ['provider', 'show'], 'provider show needs ID'],
  ['one too many', ['provider', 'show', 'a', 'b'], 'takes fewer arguments'],
  ['an unknown option', ['provider', 'list', '--colour'], '--colour is not an option of this command'],
  ['an option of Object', ['provider', 'list', '--constructor'], 'is not an option'],
  ['an option without its value', ['provider', 'list', '--url'], '--url needs URL'],
  ['a flag with a value', ['provider', 'list', '--json=yes'], '--json takes no value'],
  ['an option twice', ['provider', 'list', '--url', 'http://a', '--url', 'http://b'], 'stands there twice'],
  ['no token', ['provider', 'list'], 'there is no administrator’s token'],
  ['an unknown shell', ['completion', 'tcsh'], 'bash, zsh, fish'],
])('%s is exit code 2 and says why', async (_name, args, words) => {
  const { err, out, exitCode } = await coatcheck(args)
  expect(exitCode).toBe(2)
  expect(out).toBeUndefined()
  expect(err).toContain(words)
})

test('no arguments at all can do anything but answer', () => {
  const words = fc.oneof(fc.string(), fc.constantFrom('--', '--json', '--scope', '--scope=x', '-', '-x'))
  fc.assert(
    fc.property(fc.constantFrom(...commands), fc.array(words), (command, args) => {
      try {
        parseCall(command, args)
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
      }
    }),
  )
})

test('what follows -- is an argument, whatever it begins with', () => {
  const [command] = commands.filter(({ name }) => name === 'session end')
  expect(command && parseCall(command, ['--', '--id']).argument('ID')).toBe('--id')
})

test.each([
  ['github:repo,read:org', { provider: 'github', scopes: ['repo', 'read:org'] }],
  ['github:repo,read:org:optional', { provider: 'github', scopes: ['repo', 'read:org'], required: false }],
  [
    'google:https://www.googleapis.com/auth/drive',
    { provider: 'google', scopes: ['https://www.googleapis.com/auth/drive'] },
  ],
  ['github', { provider: 'github', scopes: [] }],
  ['github:optional', { provider: 'github', scopes: [], required: false }],
])('--provider %s', (text, meant) => {
  expect(providerAccess(text)).toEqual(meant)
})

test('--admit is anyone, or rules that add up', () => {
  expect(admitOf([])).toBeUndefined()
  expect(admitOf(['anyone'])).toBe('anyone')
  expect(admitOf(['email-domain=a.example', 'email-domain=b.example', 'tenant=t'])).toEqual({
    email_domains: ['a.example', 'b.example'],
    tenants: ['t'],
  })
  for (const wrong of [['everyone'], ['anyone', 'tenant=t'], ['constructor=x'], ['=x']]) {
    expect(() => admitOf(wrong)).toThrow(UsageError)
  }
})

test('times are seconds, or written as RFC 3339 has them', () => {
  expect(secondsOf('since', '1800000000')).toBe('1800000000')
  expect(secondsOf('since', '2030-01-31')).toBe('1896048000')
  expect(secondsOf('since', '2030-01-31T01:00:00+01:00')).toBe('1896048000')
  for (const wrong of ['yesterday', '31.1.2030', '2030-13-01']) {
    expect(() => secondsOf('since', wrong)).toThrow(UsageError)
  }
})

test('what others chose cannot move the cursor of a terminal', () => {
  expect(wordsOf('a\u001b[2Jb\u202ec')).toBe('a\u{FFFD}[2Jb\u{FFFD}c')
  expect(wordsOf({ name: 'a\u001bb' })).not.toContain('\u001b')
})

test('columns stand under one another', () => {
  expect(
    columns([
      ['a', 'b'],
      ['longer', 'c'],
    ]),
  ).toBe('a       b\nlonger  c')
})

test('completion knows every command and every option of it', () => {
  const steps = new Map(stepsOf(commands).map(({ words, next }) => [words, next]))
  expect(steps.get('')).toEqual([...new Set(commands.map(({ name }) => name.split(' ')[0]))])
  for (const { name, options } of commands) {
    expect(steps.get(name)).toEqual([
      ...Object.keys(options).map((option) => `--${option}`),
      '--json',
      '--help',
    ])
  }
})

test.each(['bash', 'zsh', 'fish'])('completion for %s names every command', async (shell) => {
  const { out, exitCode } = await coatcheck(['completion', shell])
  expect(exitCode).toBe(0)
  expect(commands.filter(({ name }) => !out?.includes(`'${name}'`))).toEqual([])
})

test('a span is read as people write it, and nothing else', () => {
  const read = (span: string) => spanIn('ends-within', span)
  expect(['90s', '5m', '12h', '7d', '4w'].map(read)).toEqual([90, 300, 43_200, 604_800, 2_419_200])
  for (const wrong of ['', '7', 'd', '-7d', '7 d', '1.5d', '7days', '7D', '9999999d', '7x']) {
    expect(() => read(wrong)).toThrow(UsageError)
  }
})

test('callers are gathered by their ids, each scope with what it opens', () => {
  const given = ['notes:notes.read=events.read', 'desk:x=', 'notes:repo:read=events.read,events.write']
  expect(callersOf(given)).toEqual([
    {
      resource: 'notes',
      for: { 'notes.read': ['events.read'], 'repo:read': ['events.read', 'events.write'] },
    },
    { resource: 'desk', for: { x: [] } },
  ])
  for (const text of ['notes', 'notes:', 'notes:x', ':x=y', 'notes:=y', '']) {
    expect(() => callersOf([text])).toThrow(UsageError)
  }
})
