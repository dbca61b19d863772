import type { PublishedTool } from '../storage/documents.ts'
import type { Tool } from '../storage/tools.ts'
import { publishedHash } from './tool.ts'

/** What a manifest makes of the tools that are known: the rows as they will be, and the names that are news. */
export function manifestChange(
  resourceId: string,
  known: readonly Tool[],
  published: readonly PublishedTool[],
  now: number,
): { rows: Tool[]; summary: Record<'added' | 'changed' | 'withdrawn', string[]> } {
  const before = new Map(known.map((tool) => [tool.name, tool]))
  const rows = published.map((document) => rowOf(resourceId, before.get(document.name), document, now))
  const names = new Set(published.map(({ name }) => name))
  return {
    rows,
    summary: {
      added: rows.filter(({ name }) => !before.has(name)).map(({ name }) => name),
      changed: rows.filter((tool) => isOther(tool, before.get(tool.name))).map(({ name }) => name),
      withdrawn: known.filter((tool) => tool.isPublished && !names.has(tool.name)).map(({ name }) => name),
    },
  }
}

function rowOf(resourceId: string, before: Tool | undefined, published: PublishedTool, now: number): Tool {
  const hash = publishedHash(published)
  const row: Tool = {
    ...(before ?? unreviewed),
    resourceId,
    name: published.name,
    published,
    publishedHash: hash,
    isPublished: true,
    createdAt: before?.createdAt ?? now,
    changedAt: before?.changedAt ?? now,
  }
  return isOther(row, before) ? { ...row, changedAt: now } : row
}

const isOther = (row: Tool, before: Tool | undefined) =>
  before !== undefined && (before.publishedHash !== row.publishedHash || !before.isPublished)

const unreviewed = { rule: null, reviewed: null, reviewedHash: null, reviewedAt: null, reviewedBy: null }
