import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { coatcheck } from '../support/cli.ts'

test.each([
  [['coatcheck', 'prov'], 'provider'],
  [['coatcheck', 'provider', 'ch'], 'check'],
  [['coatcheck', 'resource', 'credential', 'cr'], 'create'],
  [['coatcheck', 'provider', 'set', 'github', '--client-s'], '--client-secret-file'],
])('bash completes %j', async (words, completed) => {
  const { out = '' } = await coatcheck(['completion', 'bash'])
  const script = `${out}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_coatcheck; echo "\${COMPREPLY[*]}"`
  expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim()).toBe(completed)
})
