import { auditEvent } from '../audit/event.ts'
import { newId } from '../lib/secret.ts'
import type { FoundIdentity } from '../storage/documents.ts'
import type { AccountInteraction } from '../storage/interactions.ts'
import type { Store } from '../storage/store.ts'
import type { Identity, Subject } from '../storage/subjects.ts'
import type { UpstreamIdentity } from '../upstream/identity.ts'
import type { Provider } from '../upstream/provider.ts'

/**
 * The subject an upstream identity signs in; a new one where nobody has seen the identity before. Nothing but
 * provider, issuer and the provider's own id of the account decides: e-mail links nobody (promise 8).
 */
export async function signIn(
  store: Pick<Store, 'subjects'>,
  provider: Provider,
  upstream: UpstreamIdentity,
  now: number,
): Promise<Subject> {
  const known = await recordedSignIn(store, provider, upstream, now)
  if (known) return known
  const subject: Subject = { id: newId('sub_'), enabled: true, createdAt: now, lastSeenAt: now }
  const created = await store.subjects.create(
    subject,
    identityOf(subject.id, provider, upstream, now),
    auditEvent(now, {
      event: 'subject.created',
      actor: `subject:${subject.id}`,
      subjectId: subject.id,
      provider: provider.id,
    }),
  )
  // Two first sign-ins at once: the one that came first made the subject.
  const settled = created ?? (await recordedSignIn(store, provider, upstream, now))
  if (!settled) throw new Error('an identity is neither free nor taken')
  return settled
}

/**
 * One more way for a subject to sign in, which they proved in the browser they are signed in in. Answers whose it is
 * afterwards: an identity that signs somebody else in stays theirs. `undefined`: the trip had ended meanwhile.
 */
export async function linkIdentity(
  store: Pick<Store, 'subjects' | 'completions'>,
  interaction: AccountInteraction,
  subjectId: string,
  found: FoundIdentity,
  now: number,
): Promise<string | undefined> {
  const { provider, issuer, upstreamSubject, label, email, emailVerified, groups } = found
  const key = { provider, issuer, upstreamSubject }
  const seen = { label, email, emailVerified, groups, createdAt: now, lastSignInAt: now }
  const event = auditEvent(now, {
    event: 'identity.linked',
    actor: `subject:${subjectId}`,
    subjectId,
    provider,
    detail: { issuer, upstream_subject: upstreamSubject },
  })
  const identity = { ...key, subjectId, ...seen }
  const outcome = await store.completions.withIdentity(interaction, identity, now, event)
  if (outcome === 'added') return subjectId
  return outcome === 'taken' ? (await store.subjects.findIdentity(key))?.subjectId : undefined
}

/** The subject that signs in with this account, if anybody does. */
export async function subjectOfIdentity(
  store: Pick<Store, 'subjects'>,
  provider: Provider,
  { issuer, subject }: Pick<UpstreamIdentity, 'issuer' | 'subject'>,
): Promise<string | undefined> {
  const key = { provider: provider.id, issuer, upstreamSubject: subject }
  return (await store.subjects.findIdentity(key))?.subjectId
}

async function recordedSignIn(
  store: Pick<Store, 'subjects'>,
  provider: Provider,
  upstream: UpstreamIdentity,
  now: number,
): Promise<Subject | undefined> {
  const subjectId = await subjectOfIdentity(store, provider, upstream)
  const subject = subjectId === undefined ? undefined : await store.subjects.find(subjectId)
  if (!subject?.enabled) return subject
  const {
    subjectId: _,
    createdAt: __,
    lastSignInAt: ___,
    ...seen
  } = identityOf(subject.id, provider, upstream, now)
  const { label, email, emailVerified, groups, ...key } = seen
  await store.subjects.recordSignIn(
    key,
    { label, email, emailVerified, groups },
    now,
    auditEvent(now, {
      event: 'subject.signed_in',
      actor: `subject:${subject.id}`,
      subjectId: subject.id,
      provider: provider.id,
    }),
  )
  return subject
}

function identityOf(
  subjectId: string,
  provider: Provider,
  upstream: UpstreamIdentity,
  now: number,
): Identity {
  return {
    provider: provider.id,
    issuer: upstream.issuer,
    upstreamSubject: upstream.subject,
    subjectId,
    label: upstream.label,
    email: upstream.email ?? null,
    emailVerified: upstream.emailVerified,
    groups: upstream.groups,
    createdAt: now,
    lastSignInAt: now,
  }
}
