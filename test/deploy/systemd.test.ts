import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { configured, environmentOf, unit } from '../support/deployment.ts'
import { wordsOf } from '../support/shown-calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'coatcheck-deploy-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Settings of how a process is started, ended and confined; all others say who it is and what it has. */
const ofRunning =
  /^(Type|Exec|WorkingDirectory|Restart|Restrict|Timeout|NoNew|Capability|Protect|Private|Lock|SystemCall)/

const possessions = (name: string) =>
  [...unit(name)].flatMap(([key, values]) =>
    ofRunning.test(key) ? [] : values.map((value) => `${key}=${value}`),
  )

test('the units start a gateway that systemd gives its secrets and its folder, however late what they need is up', () => {
  const serve = unit('coatcheck.service')
  const environment = configured(environmentOf(serve))
  expect(environment).toMatchObject({
    COATCHECK_ISSUER: 'https://auth.example.com',
    COATCHECK_DATABASE_URL: 'sqlite:/var/lib/coatcheck/coatcheck.db',
  })
  expect(environment.COATCHECK_MASTER_KEYS).toHaveLength(1)
  expect(environment.COATCHECK_ADMIN_TOKEN).toBeDefined()
  expect(serve.get('StateDirectory')).toEqual(['coatcheck'])
  const credentials = serve.get('LoadCredential')?.map((line) => line.split(':')[0])
  expect(credentials).toEqual(['master_keys', 'admin_token'])
  expect(unit('coatcheck.service', 'Unit').get('StartLimitIntervalSec')).toEqual(['0'])
  expect(Number(serve.get('RestartSec')?.[0])).toBeGreaterThan(1)
  const backup = unit('coatcheck-backup.service')
  expect(configured(environmentOf(backup)).COATCHECK_DATABASE_URL).toBe(environment.COATCHECK_DATABASE_URL)
  expect(unit('coatcheck-backup.timer', 'Timer').get('OnCalendar')).toHaveLength(1)
})

test('the nightly backup has what the gateway has, but for the admin token', () => {
  const all = possessions('coatcheck.service')
  expect(possessions('coatcheck-backup.service').toSorted()).toEqual(
    all.filter((line) => !line.includes('admin_token')).toSorted(),
  )
})

test('old nightly backups are found behind the link that the folder is, and nothing else is deleted', () => {
  const [line = ''] = unit('coatcheck-backup.service').get('ExecStartPost') ?? []
  mkdirSync(join(folder, 'private'))
  symlinkSync('private', join(folder, 'state'))
  const old = ['coatcheck-20260101T030405Z.gz', 'coatcheck-20260102T030405Z.gz.part']
  const kept = ['coatcheck-20260103T030405Z.gz', 'coatcheck-monday.gz', 'coatcheck.db']
  for (const name of [...old, ...kept]) writeFileSync(join(folder, 'private', name), '')
  const longAgo = 86_400 * 1000
  for (const name of [...old, ...kept.slice(1)]) utimesSync(join(folder, 'private', name), longAgo, longAgo)
  const [program = '', ...words] = wordsOf(line.replace('/var/lib/coatcheck', join(folder, 'state')))
  execFileSync(program, words)
  expect(readdirSync(join(folder, 'private')).toSorted()).toEqual(kept)
})

/** What the wrapper has systemd run. */
function handedOver(words: readonly string[], env: Record<string, string>): string[] {
  writeFileSync(join(folder, 'systemd-run'), '#!/bin/sh\nprintf "%s\\0" "$@"\n', { mode: 0o755 })
  const PATH = `${folder}:${process.env.PATH}`
  const said = execFileSync(resolve('deploy/coatcheck'), words, { env: { ...env, PATH }, encoding: 'utf8' })
  return said.split('\0').slice(0, -1)
}

test('commands have what the service has, and their words reach them as they are', () => {
  const handed = handedOver(['provider', 'set', 'a b', '', "it's $HOME for $$1"], {
    COATCHECK_DATABASE_URL: 'sqlite:scratch.db',
  })
  const program = handed.indexOf('/usr/bin/env')
  const prefix = '--property='
  const given = handed.slice(0, program).flatMap((word) => word.split(prefix).slice(1))
  const inUnit = possessions('coatcheck.service')
  const files = inUnit.filter((line) => line.includes('=%d/'))
  expect(given.toSorted()).toEqual(
    [...inUnit.filter((line) => !files.includes(line)), 'WorkingDirectory=/var/lib/coatcheck'].toSorted(),
  )
  expect(handed.slice(program + 1)).toEqual([
    // A transient unit knows no %d.
    ...files.map((line) => line.replace('Environment=', '').replace('%d', `\${CREDENTIALS_DIRECTORY}`)),
    'COATCHECK_DATABASE_URL=sqlite:scratch.db',
    ...['/usr/bin/node', '/opt/coatcheck/dist/cli.js'],
    ...['provider', 'set', 'a b', '', "it's $$HOME for $$$$1"],
  ])
})
