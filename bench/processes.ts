import { readdirSync, readFileSync } from 'node:fs'

/** What a process and all it started have cost, and how much memory they hold; Linux tells it. */
export type TreeUsage = { cpuMicroseconds: number; rssBytes: number }

/** Linux counts in these for whoever asks it, whatever the machine. */
const microsecondsPerTick = 10_000
const bytesPerPage = 4096

type Process = { pid: number; parent: number; ticks: number; pages: number }

/** Those that have ended count with whoever waited for them. Throws where there is no `/proc`. */
export function usageOfTree(pid: number): TreeUsage {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(processOf)
  const tree = new Set([pid])
  // Children have larger numbers than their parents only until the numbers begin anew, hence until nothing is found.
  for (let size = 0; size < tree.size; ) {
    size = tree.size
    for (const each of all) if (tree.has(each.parent)) tree.add(each.pid)
  }
  const members = all.filter((each) => tree.has(each.pid))
  return {
    cpuMicroseconds: members.reduce((sum, { ticks }) => sum + ticks, 0) * microsecondsPerTick,
    rssBytes: members.reduce((sum, { pages }) => sum + pages, 0) * bytesPerPage,
  }
}

/** The process that started this one. */
export function parentOf(pid: number): number {
  const [found] = processOf(String(pid))
  if (!found) throw new Error(`there is no process ${pid}`)
  return found.parent
}

function processOf(name: string): Process[] {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
    // The name of the program, in parentheses, may hold anything. proc_pid_stat(5) counts from the state, its third.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const field = (number: number) => Number(fields[number - 3])
    const ticks = field(14) + field(15) + field(16) + field(17)
    return [{ pid: Number(name), parent: field(4), ticks, pages: field(24) }]
  } catch {
    return []
  }
}
