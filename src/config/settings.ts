import { z } from 'zod'

const seconds = (fallback: number, bounds: { min: number; max: number }) =>
  z.int().min(bounds.min).max(bounds.max).default(fallback)

const count = seconds
const day = 86_400

/** How long things live, in seconds. Every one is bounded. */
export const lifetimesSchema = z
  .strictObject({
    access_token: seconds(3600, { min: 60, max: day }),
    refresh_token: seconds(30 * day, { min: 3600, max: 365 * day }),
    refresh_token_absolute: seconds(90 * day, { min: 3600, max: 730 * day }),
    refresh_grace: seconds(30, { min: 0, max: 300 }),
    code: seconds(60, { min: 10, max: 600 }),
    interaction: seconds(600, { min: 60, max: 3600 }),
    connect_link: seconds(600, { min: 60, max: 3600 }),
    browser_session_idle: seconds(8 * 3600, { min: 300, max: 30 * day }),
    browser_session_absolute: seconds(day, { min: 300, max: 90 * day }),
    recent_sign_in: seconds(600, { min: 60, max: 3600 }),
    unused_client: seconds(day, { min: 3600, max: 365 * day }),
    protected_client: seconds(3600, { min: 60, max: day }),
    idle_client: seconds(400 * day, { min: 365 * day, max: 3650 * day }),
    upstream_refresh_margin: seconds(300, { min: 0, max: 3600 }),
    audit_retention: seconds(400 * day, { min: 30 * day, max: 3650 * day }),
    step_up: seconds(600, { min: 60, max: 3600 }),
    decisions_kept: seconds(30 * day, { min: day, max: 400 * day }),
    probe_interval: seconds(3600, { min: 300, max: day }),
    upstream_failure_backoff: seconds(30, { min: 1, max: 600 }),
  })
  .superRefine((lifetimes, context) => {
    const refuseShorter = (name: keyof typeof lifetimes, other: keyof typeof lifetimes) => {
      if (lifetimes[name] >= lifetimes[other]) return
      context.addIssue({ code: 'custom', path: [name], message: `is shorter than ${other}` })
    }
    refuseShorter('refresh_token_absolute', 'refresh_token')
    refuseShorter('browser_session_absolute', 'browser_session_idle')
    refuseShorter('unused_client', 'protected_client')
  })

/** How much there may be of things, and how long outbound requests may take. */
export const limitsSchema = z.strictObject({
  sessions_per_client: count(10, { min: 1, max: 1000 }),
  exchanges_in_a_row: count(2, { min: 1, max: 5 }),
  exchanged_sessions: count(50, { min: 5, max: 1000 }),
  body_bytes: count(65_536, { min: 8192, max: 1_048_576 }),
  connections: count(5_000, { min: 100, max: 100_000 }),
  requests_under_way: count(2_000, { min: 50, max: 100_000 }),
  event_loop_lag: count(500, { min: 50, max: 10_000 }),
  upstream_deadline: seconds(10, { min: 1, max: 60 }),
  upstream_refresh_deadline: seconds(60, { min: 1, max: 600 }),
  late_refreshes: count(128, { min: 0, max: 10_000 }),
  discovery_deadline: seconds(5, { min: 1, max: 60 }),
  document_fetches_per_origin: count(10, { min: 1, max: 1000 }),
  document_fetches: count(120, { min: 1, max: 10_000 }),
  upstream_bytes: count(1_048_576, { min: 65_536, max: 16_777_216 }),
  registrations_per_address: count(60, { min: 1, max: 100_000 }),
  registrations: count(600, { min: 1, max: 100_000 }),
  unused_clients: count(40_000, { min: 10, max: 1_000_000 }),
  registration_changes_per_client: count(10, { min: 1, max: 10_000 }),
  registration_changes: count(600, { min: 1, max: 100_000 }),
  authorizations_per_address: count(120, { min: 1, max: 100_000 }),
  authorizations_per_client: count(1_200, { min: 1, max: 100_000 }),
  authorizations: count(2_400, { min: 1, max: 100_000 }),
  authorizations_under_way_per_client: count(10_000, { min: 1, max: 1_000_000 }),
  authorizations_under_way: count(20_000, { min: 1, max: 1_000_000 }),
  returning_authorizations_per_person: count(10, { min: 1, max: 10_000 }),
  returning_authorizations: count(600, { min: 1, max: 100_000 }),
  visits_per_interaction: count(120, { min: 10, max: 10_000 }),
  visits_per_connect_link: count(60, { min: 10, max: 10_000 }),
  account_visits_per_address: count(120, { min: 10, max: 100_000 }),
  unknown_visits_per_address: count(120, { min: 1, max: 100_000 }),
  callbacks_per_provider: count(1_200, { min: 1, max: 100_000 }),
  failed_authentications_per_address: count(60, { min: 1, max: 100_000 }),
  failed_authentications_per_caller: count(600, { min: 1, max: 100_000 }),
  failed_admin_logins_per_address: count(30, { min: 1, max: 10_000 }),
  failed_admin_logins_per_name: count(60, { min: 1, max: 10_000 }),
  token_requests_per_client: count(1_200, { min: 1, max: 1_000_000 }),
  token_requests_per_address: count(6_000, { min: 1, max: 1_000_000 }),
  introspections_per_resource: count(60_000, { min: 1, max: 10_000_000 }),
  retrievals_per_resource: count(60_000, { min: 1, max: 10_000_000 }),
  decisions_per_resource: count(60_000, { min: 1, max: 10_000_000 }),
  decisions_per_person: count(6_000, { min: 1, max: 10_000_000 }),
  manifests_per_resource: count(30, { min: 1, max: 10_000 }),
  unknown_sessions_per_resource: count(600, { min: 1, max: 100_000 }),
  exchanges_per_session: count(120, { min: 1, max: 10_000 }),
  connect_links_per_session: count(30, { min: 1, max: 1_000 }),
})

export type Lifetimes = z.infer<typeof lifetimesSchema>
export type Limits = z.infer<typeof limitsSchema>
