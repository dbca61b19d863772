import { join } from 'node:path'
import { styleText } from 'node:util'
import { checkDemo } from './check.ts'
import { type Demo, type Step, startDemo } from './demo.ts'

/** The page to click through; everything else follows behind it. */
const firstPort = 4400
/** Seconds in which the check must be done. */
const patience = 30

const bold = (text: string) => styleText('bold', text)
const dim = (text: string) => styleText('dim', text)
const quiet: Step = (_what, work) => work()

async function run(): Promise<void> {
  const starting = startDemo(quiet, firstPort)
  const stop = async () => {
    const demo = await starting.catch(() => undefined)
    await demo?.stop()
    console.log('\n  Everything is stopped and removed.\n')
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => void stop())
  console.log(welcome(await starting))
}

function welcome({ pageUrl, mcpUrl, issuer, folder }: Demo): string {
  return `
  ${bold('Coatcheck demo')}

  Click through it       ${bold(pageUrl)}
  Or add it to a client  ${bold(`claude mcp add --transport http coatcheck-demo ${mcpUrl}`)}

  Be Ada or Grace: GitHub, Google and Atlassian are stand-ins, there is no password.
  ${dim('To administer it, in a second terminal here:')}
  export COATCHECK_ISSUER=${issuer} COATCHECK_ADMIN_TOKEN_FILE=${join(folder, 'admin.token')}

  Ctrl-C stops everything and removes it.
`
}

const timed: Step = async (what, work) => {
  const began = performance.now()
  try {
    const result = await work()
    const milliseconds = `${Math.round(performance.now() - began)} ms`
    console.log(`  ${styleText('green', '✓')} ${what} ${dim(milliseconds)}`)
    return result
  } catch (error) {
    console.log(`  ${styleText('red', '✗')} ${what}`)
    throw error
  }
}

async function check(): Promise<void> {
  const began = performance.now()
  setTimeout(() => fail(new Error(`it takes longer than ${patience} seconds`)), patience * 1000).unref()
  console.log(`\n  ${bold('Coatcheck demo, without a person')}\n`)
  await checkDemo(timed)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`\n  ${bold('All of it works.')} ${dim(`${seconds} s`)}\n`)
}

function fail(error: unknown): never {
  console.error(`\n  The demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

const [option, ...more] = process.argv.slice(2)
if (option === undefined) await run().catch(fail)
else if (option === '--check' && more.length === 0) await check().catch(fail)
else {
  console.error('Usage: npm run demo [-- --check]')
  process.exitCode = 2
}
