#!/usr/bin/env node
import { runCli } from './cli/run.ts'
import { processTerminal } from './cli/terminal.ts'

/** As package.json says; an older one crashes inside the database driver, after it has written files. */
const oldestNode = 24

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  console.error(`Coatcheck needs Node ${oldestNode} or newer; this is ${process.version}.`)
  process.exitCode = 1
} else {
  const { out, err, exitCode } = await runCli(process.argv.slice(2), processTerminal())
  if (err !== undefined) console.error(err)
  if (out !== undefined) console.log(out)
  process.exitCode = exitCode
}
