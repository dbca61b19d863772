import { administrators } from './administrators.ts'
import { auditChains } from './audit-chains.ts'
import { auditEvents } from './audit-events.ts'
import { auditKeys } from './audit-keys.ts'
import { browserSessions } from './browser-sessions.ts'
import { chores } from './chores.ts'
import { clients } from './clients.ts'
import { codes } from './codes.ts'
import { completions } from './completions.ts'
import { connectLinks } from './connect-links.ts'
import { connectionEnds } from './connection-ends.ts'
import { connections } from './connections.ts'
import { consents } from './consents.ts'
import { decisions } from './decisions.ts'
import type { Batch, Queries } from './dialect.ts'
import { exchangedGrants } from './exchanged-grants.ts'
import { grants } from './grants.ts'
import { interactions } from './interactions.ts'
import { keyChecks } from './key-checks.ts'
import { providers } from './providers.ts'
import { quotas } from './quotas.ts'
import { rateLevels } from './rate-levels.ts'
import { refreshLeases } from './refresh-leases.ts'
import { refreshTokens } from './refresh-tokens.ts'
import { registrationTokens } from './registration-tokens.ts'
import { removals } from './removals.ts'
import { reseals } from './reseals.ts'
import { resources } from './resources.ts'
import { roles } from './roles.ts'
import type { Tables } from './schema.ts'
import { sealedValues } from './sealed-values.ts'
import { signInPlaces } from './sign-in-places.ts'
import { signingKeys } from './signing-keys.ts'
import { stepUps } from './step-ups.ts'
import { subjects } from './subjects.ts'
import { tools } from './tools.ts'
import { unusedClients } from './unused-clients.ts'
import { upstreamRevocations } from './upstream-revocations.ts'
import { usedAssertions } from './used-assertions.ts'

/**
 * Every repository over one database. Repositories take the time as an argument, return plain records,
 * `undefined` for what is absent, and never throw OAuth errors.
 */
export function createStore(db: Queries, tables: Tables, batch: Batch) {
  return {
    administrators: administrators(db, tables, batch),
    auditChains: auditChains(db, tables, batch),
    auditEvents: auditEvents(db, tables, batch),
    auditKeys: auditKeys(db, tables),
    browserSessions: browserSessions(db, tables, batch),
    chores: chores(db, tables),
    clients: clients(db, tables, batch),
    codes: codes(db, tables, batch),
    completions: completions(tables, batch),
    connectLinks: connectLinks(db, tables, batch),
    connectionEnds: connectionEnds(db, tables),
    connections: connections(db, tables, batch),
    consents: consents(db, tables),
    decisions: decisions(db, tables),
    exchangedGrants: exchangedGrants(db, tables, batch),
    grants: grants(db, tables, batch),
    interactions: interactions(db, tables),
    keyChecks: keyChecks(db, tables, batch),
    providers: providers(db, tables, batch),
    quotas: quotas(db, tables, batch),
    rateLevels: rateLevels(db, tables),
    refreshLeases: refreshLeases(db, tables, batch),
    refreshTokens: refreshTokens(db, tables, batch),
    registrationTokens: registrationTokens(db, tables, batch),
    removals: removals(db, batch, tables),
    reseals: reseals(db, tables, batch),
    resources: resources(db, tables, batch),
    roles: roles(db, tables, batch),
    sealedValues: sealedValues(db, tables),
    signInPlaces: signInPlaces(db, tables),
    signingKeys: signingKeys(db, tables, batch),
    stepUps: stepUps(db, tables, batch),
    subjects: subjects(db, tables, batch),
    tools: tools(db, tables, batch),
    unusedClients: unusedClients(db, tables),
    upstreamRevocations: upstreamRevocations(db, tables, batch),
    usedAssertions: usedAssertions(db, tables),
  }
}

export type Store = ReturnType<typeof createStore>
