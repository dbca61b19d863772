import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AuthenticatedBy,
  authenticateClient,
  type PresentedCredentials,
} from '../../src/clients/authenticate.ts'
import { sha256 } from '../../src/lib/secret.ts'

const secret = 'cc_secret_correct-horse'
const confidential: AuthenticatedBy = {
  authMethod: 'client_secret_basic',
  secretHash: sha256(secret),
  enabled: true,
}
const known: Record<string, AuthenticatedBy> = {
  basic: confidential,
  post: { ...confidential, authMethod: 'client_secret_post' },
  public: { authMethod: 'none', secretHash: null, enabled: true },
  disabled: { ...confidential, enabled: false },
  disabledPublic: { authMethod: 'none', secretHash: null, enabled: false },
  secretless: { ...confidential, secretHash: null },
  'with space/é': { ...confidential, secretHash: sha256('s+c%r t') },
}
const find = async (id: string) => (Object.hasOwn(known, id) ? known[id] : undefined)

const noAssertion = async () => false

const basic = (id: string, password: string, scheme = 'Basic') =>
  `${scheme} ${Buffer.from(`${id}:${password}`).toString('base64')}`
const formEncoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
const authenticate = (presented: PresentedCredentials) => authenticateClient(presented, find, noAssertion)

describe('a client is authenticated', () => {
  test.each<[string, PresentedCredentials, string]>([
    ['by its registered Basic', { authorization: basic('basic', secret) }, 'basic'],
    ['by Basic in any case', { authorization: basic('basic', secret, 'bAsIC') }, 'basic'],
    [
      'by Basic with its id in the form too',
      { authorization: basic('basic', secret), clientId: 'basic' },
      'basic',
    ],
    [
      'by form-encoded Basic',
      { authorization: basic(formEncoded('with space/é'), formEncoded('s+c%r t')) },
      'with space/é',
    ],
    ['by its secret in the form', { clientId: 'post', clientSecret: secret }, 'post'],
    ['by its id alone where it is public', { clientId: 'public' }, 'public'],
  ])('%s', async (_, presented, clientId) => {
    expect(await authenticate(presented)).toEqual({
      outcome: 'authenticated',
      clientId,
      client: known[clientId],
    })
  })

  test('whether or not it encodes the alphabet of our own secrets', async () => {
    const own = `cc_secret_${'aZ09-_.~'.repeat(5)}`
    const client = { ...confidential, secretHash: sha256(own) }
    for (const password of [own, formEncoded(own), own.replaceAll('~', '%7E').replaceAll('-', '%2d')]) {
      const answer = await authenticateClient(
        { authorization: basic('c', password) },
        async () => client,
        noAssertion,
      )
      expect(answer.outcome).toBe('authenticated')
    }
  })
})

describe('a client is refused', () => {
  test.each<[string, PresentedCredentials, string, 'Basic' | undefined]>([
    ['for bringing nothing', {}, 'no_credentials', undefined],
    ['for bringing a secret without an id', { clientSecret: secret }, 'no_credentials', undefined],
    [
      'for two methods',
      { authorization: basic('basic', secret), clientSecret: secret },
      'two_methods',
      'Basic',
    ],
    [
      'for two methods that agree',
      { authorization: basic('basic', secret), clientId: 'basic', clientSecret: secret },
      'two_methods',
      'Basic',
    ],
    ['for two ids', { authorization: basic('basic', secret), clientId: 'public' }, 'two_client_ids', 'Basic'],
    ['for no colon', { authorization: `Basic ${btoa('basic')}` }, 'malformed_header', 'Basic'],
    ['for other base64', { authorization: 'Basic %%%' }, 'malformed_header', 'Basic'],
    ['for bad percent-encoding', { authorization: basic('basic', '%zz') }, 'malformed_header', 'Basic'],
    ['for an empty header', { authorization: '' }, 'malformed_header', 'Basic'],
    ['for another scheme', { authorization: 'Bearer abc', clientId: 'public' }, 'malformed_header', 'Basic'],
    ['for a wrong secret', { authorization: basic('basic', 'wrong') }, 'invalid_credentials', 'Basic'],
    ['for an empty secret', { authorization: basic('basic', '') }, 'invalid_credentials', 'Basic'],
    [
      'for its hash as a secret',
      { authorization: basic('basic', sha256(secret)) },
      'invalid_credentials',
      'Basic',
    ],
    ['when unknown', { authorization: basic('unknown', secret) }, 'invalid_credentials', 'Basic'],
    ['when disabled', { authorization: basic('disabled', secret) }, 'invalid_credentials', 'Basic'],
    [
      'when it has no secret stored',
      { authorization: basic('secretless', '') },
      'invalid_credentials',
      'Basic',
    ],
    [
      'for Basic instead of the form',
      { authorization: basic('post', secret) },
      'invalid_credentials',
      'Basic',
    ],
    ['when public and sending Basic', { authorization: basic('public', '') }, 'invalid_credentials', 'Basic'],
    ['when named like a member of every object', { clientId: '__proto__' }, 'invalid_credentials', undefined],
    [
      'for the form instead of Basic',
      { clientId: 'basic', clientSecret: secret },
      'invalid_credentials',
      undefined,
    ],
    [
      'for a wrong secret in the form',
      { clientId: 'post', clientSecret: 'wrong' },
      'invalid_credentials',
      undefined,
    ],
    [
      'when unknown, in the form',
      { clientId: 'unknown', clientSecret: secret },
      'invalid_credentials',
      undefined,
    ],
    [
      'when public and sending a secret',
      { clientId: 'public', clientSecret: 'x' },
      'invalid_credentials',
      undefined,
    ],
    ['when confidential and sending no secret', { clientId: 'basic' }, 'invalid_credentials', undefined],
    ['when public and disabled', { clientId: 'disabledPublic' }, 'invalid_credentials', undefined],
    ['when public and unknown', { clientId: 'unknown' }, 'invalid_credentials', undefined],
  ])('%s', async (_, presented, reason, challenge) => {
    expect(await authenticate(presented)).toEqual({ outcome: 'refused', reason, challenge })
  })

  test('with one answer and one look-up, whether it is unknown, disabled or wrong', async () => {
    const asked: string[] = []
    const observed = (id: string) => {
      asked.push(id)
      return find(id)
    }
    const answers = []
    for (const id of ['basic', 'unknown', 'disabled', 'secretless', 'post', 'public']) {
      answers.push(await authenticateClient({ authorization: basic(id, 'wrong') }, observed, noAssertion))
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(asked).toEqual(['basic', 'unknown', 'disabled', 'secretless', 'post', 'public'])
  })

  test('without a look-up when the request contradicts itself', async () => {
    const never = async () => {
      throw new Error('looked up')
    }
    const both = { authorization: basic('basic', secret), clientSecret: secret }
    expect((await authenticateClient(both, never, noAssertion)).outcome).toBe('refused')
    expect((await authenticateClient({ authorization: 'Basic !' }, never, noAssertion)).outcome).toBe(
      'refused',
    )
    expect(
      (await authenticateClient({ ...both, clientSecret: undefined, clientId: 'x' }, never, noAssertion))
        .outcome,
    ).toBe('refused')
  })
})

test('whatever is presented, only the registered method with the right secret passes, and nothing throws', async () => {
  const id = fc.constantFrom(...Object.keys(known), 'unknown', '', '__proto__')
  const password = fc.oneof(fc.constantFrom(secret, '', 'wrong', 's+c%r t'), fc.string({ unit: 'binary' }))
  const header = fc.oneof(
    fc.tuple(id, password).map(([user, text]) => basic(user, text)),
    fc.tuple(id, password).map(([user, text]) => basic(formEncoded(user), formEncoded(text))),
    fc.string({ unit: 'binary' }),
  )
  const optional = <Value>(of: fc.Arbitrary<Value>) => fc.option(of, { nil: undefined })
  await fc.assert(
    fc.asyncProperty(
      optional(header),
      optional(id),
      optional(password),
      async (authorization, clientId, clientSecret) => {
        const answer = await authenticate({ authorization, clientId, clientSecret })
        if (answer.outcome === 'refused') {
          expect(answer.challenge).toBe(authorization === undefined ? undefined : 'Basic')
          return
        }
        const client = known[answer.clientId]
        expect(client?.enabled).toBe(true)
        const method =
          authorization !== undefined
            ? 'client_secret_basic'
            : clientSecret === undefined
              ? 'none'
              : 'client_secret_post'
        expect(client?.authMethod).toBe(method)
        if (method === 'client_secret_post') expect(clientSecret).toBe(secret)
      },
    ),
    { numRuns: 1_000 },
  )
})
