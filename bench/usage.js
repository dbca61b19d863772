import { readFileSync } from 'node:fs'

/*
 * Loaded into a measured server before anything of its own: says over the channel of its parent what it has cost so
 * far, and ends it as an administrator would. The server itself stays as it is. JavaScript, because the first file
 * with types would load Node's type stripper into a product that is built without.
 */

process.on('message', (message) => {
  if (message === 'usage') process.send?.(usage())
  if (message === 'stop') process.kill(process.pid, 'SIGTERM')
})
process.channel?.unref()
// Who started it is gone.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))

function usage() {
  const { user, system } = process.cpuUsage()
  return { cpuMicroseconds: user + system, rssBytes: process.memoryUsage.rss(), peakRssBytes: peakRss() }
}

/** Where Linux tells it; what `getrusage` says there counts in the process that started this one. */
function peakRss() {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return Number(kilobytes) * 1024
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}
