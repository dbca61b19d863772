import type { PgColumn } from 'drizzle-orm/pg-core'
import type { Dialect } from './dialect.ts'
import type {
  Conditions,
  DecisionDetail,
  Probe,
  PublishedTool,
  QuotaDocument,
  RoleDocument,
  StepUpRule,
  ToolRule,
} from './documents.ts'

/** The tables whose rows these belong to. */
type Owners = Record<'subjects' | 'clients' | 'resources', { id: PgColumn }>

/** What says who may call which tool of a resource, and what was decided. */
export function definePolicyTables(dialect: Dialect, { subjects, clients, resources }: Owners) {
  const { table, text, integer, boolean, json, primaryKey, index, uniqueIndex } = dialect

  const applications = table('applications', {
    resourceId: text('resource_id')
      .primaryKey()
      .references(() => resources.id, { onDelete: 'cascade' }),
    /** When the MCP server last published its tools, and when that was something new. */
    publishedAt: integer('published_at'),
    changedAt: integer('changed_at'),
    /** What the last check of the running MCP server found. */
    probes: json<Probe[]>('probes'),
    probedAt: integer('probed_at'),
    /** When it is checked again; whoever moves this on does so, and no other process. */
    probeDueAt: integer('probe_due_at'),
    /** When an administrator first let people in, and who. What was approved stays in force from here on. */
    activatedAt: integer('activated_at'),
    activatedBy: text('activated_by'),
  })

  const tools = table(
    'tools',
    {
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      name: text('name').notNull(),
      published: json<PublishedTool>('published').notNull(),
      /** SHA-256 of what was published, suggestions aside. */
      publishedHash: text('published_hash').notNull(),
      /** Whether the last manifest still had it. */
      isPublished: boolean('is_published').notNull(),
      /** Absent: nobody has reviewed it yet. */
      rule: json<ToolRule>('rule'),
      /** What was reviewed; where it is not what is published, the tool waits for review again. */
      reviewedHash: text('reviewed_hash'),
      reviewed: json<PublishedTool>('reviewed'),
      reviewedAt: integer('reviewed_at'),
      reviewedBy: text('reviewed_by'),
      createdAt: integer('created_at').notNull(),
      changedAt: integer('changed_at').notNull(),
    },
    (t) => [primaryKey({ columns: [t.resourceId, t.name] })],
  )

  const roles = table(
    'roles',
    {
      id: text('id').primaryKey(),
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      name: text('name').notNull(),
      document: json<RoleDocument>('document').notNull(),
      createdAt: integer('created_at').notNull(),
      updatedAt: integer('updated_at').notNull(),
    },
    (t) => [uniqueIndex('roles_name').on(t.resourceId, t.name)],
  )

  const bindings = table(
    'bindings',
    {
      id: text('id').primaryKey(),
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      roleId: text('role_id')
        .notNull()
        .references(() => roles.id, { onDelete: 'cascade' }),
      /** Whom it is for: everyone, one subject, or whoever a provider says is in a group. */
      holder: text('holder').$type<'everyone' | 'subject' | 'group'>().notNull(),
      subjectId: text('subject_id').references(() => subjects.id, { onDelete: 'cascade' }),
      groupProvider: text('group_provider'),
      groupName: text('group_name'),
      conditions: json<Conditions>('conditions').notNull(),
      expiresAt: integer('expires_at'),
      createdAt: integer('created_at').notNull(),
      createdBy: text('created_by').notNull(),
    },
    (t) => [
      index('bindings_resource').on(t.resourceId, t.subjectId),
      index('bindings_role').on(t.roleId),
      index('bindings_subject').on(t.subjectId),
    ],
  )

  const quotas = table(
    'quotas',
    {
      id: text('id').primaryKey(),
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      document: json<QuotaDocument>('document').notNull(),
      createdAt: integer('created_at').notNull(),
    },
    (t) => [index('quotas_resource').on(t.resourceId)],
  )

  const quotaCounts = table(
    'quota_counts',
    {
      /** Of the quota, of what is counted, and of the window: see `countId`. */
      id: text('id').primaryKey(),
      quotaId: text('quota_id')
        .notNull()
        .references(() => quotas.id, { onDelete: 'cascade' }),
      used: integer('used').notNull(),
      expiresAt: integer('expires_at').notNull(),
    },
    (t) => [index('quota_counts_quota').on(t.quotaId), index('quota_counts_expires_at').on(t.expiresAt)],
  )

  const stepUps = table(
    'step_ups',
    {
      id: text('id').primaryKey(),
      subjectId: text('subject_id')
        .notNull()
        .references(() => subjects.id, { onDelete: 'cascade' }),
      clientId: text('client_id')
        .notNull()
        .references(() => clients.id, { onDelete: 'cascade' }),
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      tool: text('tool').notNull(),
      /** Digest of the arguments of the one call this is for. */
      argumentsHash: text('arguments_hash').notNull(),
      rule: json<StepUpRule>('rule').notNull(),
      createdAt: integer('created_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
      /** When the person signed in for it; absent: not yet. */
      authTime: integer('auth_time'),
      usedAt: integer('used_at'),
    },
    (t) => [
      index('step_ups_call').on(t.subjectId, t.clientId, t.resourceId, t.tool),
      index('step_ups_client').on(t.clientId),
      index('step_ups_resource').on(t.resourceId),
      index('step_ups_expires_at').on(t.expiresAt),
    ],
  )

  const decisions = table(
    'decisions',
    {
      /** Grows with time. */
      id: text('id').primaryKey(),
      at: integer('at').notNull(),
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      subjectId: text('subject_id').notNull(),
      clientId: text('client_id').notNull(),
      tool: text('tool').notNull(),
      allowed: boolean('allowed').notNull(),
      code: text('code'),
      detail: json<DecisionDetail>('detail').notNull(),
      expiresAt: integer('expires_at').notNull(),
    },
    (t) => [
      index('decisions_resource').on(t.resourceId, t.id),
      index('decisions_subject').on(t.subjectId, t.id),
      index('decisions_expires_at').on(t.expiresAt),
    ],
  )

  return { applications, tools, roles, bindings, quotas, quotaCounts, stepUps, decisions }
}
