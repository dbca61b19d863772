import type { Queries } from './dialect.ts'
import { eq } from './drizzle.ts'
import type { Grant } from './grants.ts'
import type { Resource } from './resources.ts'
import type { Tables } from './schema.ts'

/** Whom and what a grant connects. */
export type GrantParties = {
  subject: { enabled: boolean }
  /** A registration may come to an end by itself. */
  client: { enabled: boolean; expiresAt: number | null }
  resource: Resource | undefined
}

/** A grant and its parties as they were at one moment: whether it stands is told by all of them. */
export type ConnectedGrant = Grant & { parties: GrantParties }

/** Grants with their parties, in one read; `more` is selected of what is joined to them. */
export function connectedGrants<More extends object = object>(
  queries: Queries,
  { grants, subjects, clients, resources }: Tables,
  more: More = {} as More,
) {
  return queries
    .select({
      grant: grants,
      subject: { enabled: subjects.enabled },
      client: { enabled: clients.enabled, expiresAt: clients.expiresAt },
      resource: resources,
      ...more,
    })
    .from(grants)
    .innerJoin(subjects, eq(subjects.id, grants.subjectId))
    .innerJoin(clients, eq(clients.id, grants.clientId))
    .leftJoin(resources, eq(resources.id, grants.resourceId))
}

type Row = { grant: Grant; resource: Resource | null } & Omit<GrantParties, 'resource'>

/** The grant of a row of them. */
export function connected({ grant, resource, subject, client }: Row): ConnectedGrant {
  return { ...grant, parties: { subject, client, resource: resource ?? undefined } }
}
