import { styleText } from 'node:util'
import { runSuite, specVersions } from './suite.ts'

const expected = ['authorization-server-metadata', 'authorization-code-grant']

const outcomes = await runSuite()
for (const { specVersion, check, status, message } of outcomes) {
  const mark = styleText(status === 'SUCCESS' ? 'green' : 'red', status.padEnd(8))
  console.log(`${specVersion}  ${mark} ${check}${message === '' ? '' : `: ${message}`}`)
}
// A check that did not run is not a check that passed.
const missing = specVersions.flatMap((version) =>
  expected
    .filter((id) => !outcomes.some(({ specVersion, check }) => specVersion === version && check === id))
    .map((id) => `${version} ${id}`),
)
for (const each of missing) console.log(`${each} did not run`)
const passed = outcomes.filter(({ status }) => status === 'SUCCESS').length
console.log(`${passed} of ${outcomes.length} checks passed`)
process.exitCode = passed === outcomes.length && missing.length === 0 ? 0 : 1
