import type { Site, SitesSeen } from '../storage/documents.ts'

/** Why a connection that lives is of no use to a session. */
export const siteGone = 'site_gone'

export type Pinned =
  | { outcome: 'site'; site: Site }
  | { outcome: 'gone'; since: number }
  /** Nothing is known of any site, or several are open and nobody said which. */
  | { outcome: 'none' }

/** The site that a session is for, of those that were seen. */
export function pinnedSite(siteId: string | null, seen: SitesSeen | undefined): Pinned {
  if (!seen) return { outcome: 'none' }
  const [only, ...others] = seen.list
  const site = siteId === null && others.length === 0 ? only : seen.list.find(({ id }) => id === siteId)
  if (site) return { outcome: 'site', site }
  return siteId === null ? { outcome: 'none' } : { outcome: 'gone', since: seen.since }
}
