import { postgres } from '../dialect.ts'
import { defineTables } from '../schema.ts'

export const tables = defineTables(postgres)

// drizzle-kit finds the tables among what a module exports.
export const {
  subjects,
  clients,
  providers,
  resources,
  resourceCredentials,
  identities,
  browserSessions,
  connections,
  upstreamRevocations,
  refreshLeases,
  consents,
  interactions,
  grants,
  grantConnections,
  codes,
  refreshTokens,
  connectLinks,
  signingKeys,
  registrationTokens,
  usedAssertions,
  rateLevels,
  signInPlaces,
  keyChecks,
  administrators,
  auditEvents,
  auditKeys,
  auditCuts,
  applications,
  tools,
  roles,
  bindings,
  quotas,
  quotaCounts,
  stepUps,
  decisions,
  reseals,
} = tables
