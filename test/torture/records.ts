import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import type { Model } from './model.ts'
import type { Report } from './scenario.ts'
import { type Stage, tokenRoute } from './stage.ts'
import type { Scene } from './things/session.ts'

/** What the provider and the audit record have to say, once everything is over. */
export async function compareRecords(scene: Scene, { check, note }: Report): Promise<void> {
  const { sent, repeated, unexcused } = upstreamUses(scene)
  note(`${sent} upstream refreshes, ${repeated} of them sent once more after a fault`)
  check(unexcused === 0, `${unexcused} upstream refresh tokens sent twice without a fault in between`)
  const { given, missing } = await unrecorded(scene)
  check(missing === 0, `of ${given} upstream tokens handed out, ${missing} are not in the audit record`)
  const verdict = await verifyChain(scene.stage)
  check(verdict.isSound, `the audit record is unbroken: ${verdict.words}`)
}

/** A refresh token may be sent again only where the process that sent it was harmed before it had told what came of it. */
function upstreamUses({ stage, model }: Scene): { sent: number; repeated: number; unexcused: number } {
  const uses = new Map<string, number[]>()
  for (const { body, at } of stage.provider.calls(tokenRoute)) {
    const token = (body as Record<string, unknown>).refresh_token
    if (typeof token === 'string') uses.set(token, [...(uses.get(token) ?? []), at])
  }
  const again = [...uses.values()].filter((times) => times.length > 1)
  const isExcused = ([first = 0, ...more]: number[]) =>
    more.every((at) => model.faults.some(({ from, to }) => to >= first - 1 && from <= at + 1))
  const sent = [...uses.values()].reduce((sum, times) => sum + times.length, 0)
  return {
    sent,
    repeated: sent - uses.size,
    unexcused: again.filter((times) => !isExcused(times)).length,
  }
}

/** Upstream tokens somebody was given and the audit record knows nothing of. */
async function unrecorded({ stage, model }: Scene): Promise<{ given: number; missing: number }> {
  const recorded = new Map<string, number>()
  let cursor = ''
  do {
    const query = `event=upstream_token.released${cursor && `&cursor=${cursor}`}`
    const response = await fetch(`${stage.address()}/admin/v1/audit-events/export?${query}`, {
      headers: { authorization: `Bearer ${stage.env.COATCHECK_ADMIN_TOKEN}` },
    })
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line) => Object(JSON.parse(line)))
    for (const { tsid_hash: hash } of lines) if (hash) recorded.set(hash, (recorded.get(hash) ?? 0) + 1)
    cursor = String(lines.at(-1)?.end?.next_cursor ?? '')
  } while (cursor !== '')
  let missing = 0
  for (const [tsid, times] of model.released) {
    missing += Math.max(0, times - (recorded.get(hashOf(tsid)) ?? 0))
  }
  const given = [...model.released.values()].reduce((sum, times) => sum + times, 0)
  return { given, missing }
}

const hashOf = (tsid: string) => createHash('sha256').update(tsid).digest('base64url')

const run = promisify(execFile)

async function verifyChain({ env }: Stage): Promise<{ isSound: boolean; words: string }> {
  const command = ['--conditions=coatcheck-source', 'src/cli.ts', 'audit', 'verify']
  try {
    const { stdout } = await run(process.execPath, command, {
      env: { PATH: process.env.PATH ?? '', ...env },
    })
    return { isSound: true, words: stdout.trim().split('\n').at(-1) ?? '' }
  } catch (error) {
    const { stdout, stderr } = Object(error)
    return { isSound: false, words: `${stdout}${stderr}` }
  }
}

/** Says what the model found wrong since the last time, and forgets it. */
export function tellWrong({ wrong }: Model, { check }: Report, when: string): void {
  for (const words of wrong.splice(0)) check(false, `${when}: ${words}`)
}
