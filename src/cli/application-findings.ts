import type { Json } from './admin-api.ts'
import { about, type Finding } from './finding.ts'
import { itemsIn, wordsOf } from './show.ts'

/** Whether an MCP server that is open to people is protected, and whether what it publishes waits for anybody. */
export function applicationFindings(id: string, application: Json): Finding[] {
  const { wrong, note } = about(`MCP server ${id}`)
  const advice = `coatcheck resource status ${id}`
  const isOpen = typeof application.activated_at === 'number'
  // One that publishes no tools leaves it to itself who may call them.
  if (!isOpen && application.published_at === null) return []
  if (!isOpen) return [note('its tools are not open to people yet', advice)]
  return itemsIn(application.missing).map(({ code, message }) =>
    code === 'probe_failed' ? wrong(wordsOf(message), advice) : note(wordsOf(message), advice),
  )
}
