import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readClientMetadata, registrationAnswer } from '../../src/clients/metadata.ts'
import { OAuthError } from '../../src/errors.ts'

const uris = ['https://c.test/cb']
const minimal = { redirect_uris: uris }

const accepted = (document: unknown) => readClientMetadata(document)

function refusal(document: unknown): OAuthError {
  try {
    readClientMetadata(document)
  } catch (error) {
    if (error instanceof OAuthError) return error
    throw error
  }
  throw new Error(`accepted: ${JSON.stringify(document)}`)
}

describe('client metadata', () => {
  test('has the defaults of RFC 7591', () => {
    expect(accepted(minimal)).toEqual({
      redirect_uris: uris,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
      response_types: ['code'],
    })
  })

  test('is kept as it was sent where all of it is known', () => {
    const full = {
      redirect_uris: ['https://c.test/cb', 'http://localhost:1/cb', 'cursor://a/cb'],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      client_name: 'Client 1',
      client_uri: 'https://c.test',
      logo_uri: 'https://c.test/logo.png',
      tos_uri: 'https://c.test/tos',
      policy_uri: 'https://c.test/policy',
      contacts: ['ada@c.test'],
      scope: 'openid profile',
      software_id: 'id-1',
      software_version: '1.2.3',
      application_type: 'native',
    }
    expect(accepted(full)).toEqual(full)
  })

  test('keeps nothing that is not known, so nobody registers their own rights', () => {
    const document = JSON.parse(`{
      "redirect_uris": ["https://c.test/cb"], "client_id": "x", "client_secret": "x", "trusted": true,
      "skip_consent": true, "owner": "admin", "allowed_providers": ["*"], "registration_access_token": "x",
      "client_id_issued_at": 1, "created_at": 1, "enabled": true, "ssf.enabled": true, "origin": "admin",
      "__proto__": {"trusted": true}, "constructor": {"prototype": {"trusted": true}}, "client_name#fr": "x"
    }`)
    const metadata = accepted(document)
    expect(Object.keys(metadata).toSorted()).toEqual([
      'grant_types',
      'redirect_uris',
      'response_types',
      'token_endpoint_auth_method',
    ])
    expect('trusted' in metadata).toBe(false)
    expect('trusted' in {}).toBe(false)
  })

  test('takes null and empty text for what is not said', () => {
    const document = {
      ...minimal,
      client_name: null,
      client_uri: '',
      logo_uri: null,
      scope: '',
      contacts: null,
      grant_types: null,
      token_endpoint_auth_method: null,
      jwks: null,
      jwks_uri: '',
    }
    expect(accepted(document)).toEqual(accepted(minimal))
  })

  test.each([
    [['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], 2],
    [['refresh_token', 'authorization_code'], 2],
    [['authorization_code', 'client_credentials', 'password', 'implicit'], 1],
    [['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'], 1],
    [[], 1],
  ])('cuts grant types down to what is served: %j', (asked, count) => {
    const { grant_types: served } = accepted({ ...minimal, grant_types: asked })
    expect(served).toEqual(['authorization_code', 'refresh_token'].slice(0, count))
  })

  test('cuts response types down to code', () => {
    const document = { ...minimal, response_types: ['code', 'token', 'id_token', 'code token'] }
    expect(accepted(document).response_types).toEqual(['code'])
  })

  test('names one redirect URI once', () => {
    expect(accepted({ redirect_uris: [...uris, ...uris] }).redirect_uris).toEqual(uris)
  })

  test.each([
    ['Claude\u202e\u200b\u0000 Code\n', 'Claude Code'],
    ['\ufeff  VS\u2800Code  ', 'VS Code'],
    ['\u3164\u200b\u202e', undefined],
    ['   ', undefined],
    ['Bücher 書', 'Bücher 書'],
  ])('neutralises the name %j to %j', (name, shown) => {
    expect(accepted({ ...minimal, client_name: name }).client_name).toBe(shown)
  })

  test('leaves out an application type it does not know', () => {
    expect(accepted({ ...minimal, application_type: 'spaceship' })).toEqual(accepted(minimal))
  })
})

describe('client metadata is refused as invalid_redirect_uri', () => {
  test.each([
    [undefined],
    [null],
    [[]],
    ['https://c.test/cb'],
    [{ 0: 'https://c.test/cb', length: 1 }],
    [[1]],
    [[null]],
    [[['https://c.test/cb']]],
    [['https://c.test/cb', 'javascript:alert(1)']],
    [['https://c.test/cb#']],
    [['http://c.test/cb']],
    [['myapp:/cb']],
    [Array.from({ length: 11 }, (_, index) => `https://c.test/${index}`)],
    [[`https://c.test/${'a'.repeat(2_048)}`]],
  ])('with redirect URIs %j', (redirectUris) => {
    const error = refusal({ redirect_uris: redirectUris })
    expect([error.code, error.status]).toEqual(['invalid_redirect_uri', 400])
  })

  test('unless the scheme is on the list of this gateway', () => {
    const document = { redirect_uris: ['myapp://cb'] }
    expect(readClientMetadata(document, { appSchemes: ['myapp'] }).redirect_uris).toEqual(['myapp://cb'])
  })
})

describe('client metadata is refused as invalid_client_metadata', () => {
  test.each([undefined, null, 1, 'text', true, [], [minimal]])('when it is %j', (document) => {
    expect(refusal(document).code).toBe('invalid_client_metadata')
  })

  const dangerous = [
    'javascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///x',
    'blob:x',
    'about:blank',
  ]
  const members = [
    'client_uri',
    'logo_uri',
    'policy_uri',
    'tos_uri',
    'jwks_uri',
    'tos_uri#fr',
    'logo_uri#de-CH',
  ]

  test.each(members)('when %s is not a page', (member) => {
    for (const uri of [...dangerous, 'http://c.test/', ' https://c.test', 'https://u@c.test', 1, {}, ['x']]) {
      expect(refusal({ ...minimal, [member]: uri }).code).toBe('invalid_client_metadata')
    }
  })

  test.each<[string, object]>([
    ['an authentication method that is not served', { token_endpoint_auth_method: 'private_key_jwt' }],
    ['an authentication method that is a list', { token_endpoint_auth_method: ['none'] }],
    ['only grants that are not served', { grant_types: ['client_credentials'] }],
    ['only the refresh grant', { grant_types: ['refresh_token'] }],
    ['grant types that are no list', { grant_types: 'authorization_code' }],
    ['too many grant types', { grant_types: Array(100).fill('authorization_code') }],
    ['only response types that are not served', { response_types: ['token'] }],
    ['response types that are no list', { response_types: 'code' }],
    ['a name that is no text', { client_name: { en: 'x' } }],
    ['a contact with a NUL in it', { contacts: ['a\0b'] }],
    ['a software id with a NUL in it', { software_id: 'a\0b' }],
    ['a name of a megabyte', { client_name: 'x'.repeat(1_000_000) }],
    ['10,000 contacts', { contacts: Array(10_000).fill('a@c.test') }],
    ['contacts that are no text', { contacts: [1] }],
    ['a scope that is a list', { scope: ['openid'] }],
    ['a scope with other characters', { scope: 'read"' }],
    ['a scope that is too long', { scope: 'x'.repeat(5_000) }],
    ['a software id that is too long', { software_id: 'x'.repeat(257) }],
    ['both jwks and jwks_uri', { jwks: { keys: [] }, jwks_uri: 'https://c.test/jwks' }],
  ])('with %s', (_, members) => {
    const error = refusal({ ...minimal, ...members })
    expect([error.code, error.status]).toEqual(['invalid_client_metadata', 400])
  })

  test('with a description that repeats nothing that was sent', () => {
    const sent = { ...minimal, client_name: ['EVIL'], scope: 'EVIL"', logo_uri: 'https://EVIL@c.test/' }
    expect(refusal(sent).description).not.toContain('EVIL')
    expect(refusal({ ...minimal, 'tos_uri#<EVIL>': 'x' }).description).not.toContain('EVIL')
    expect(refusal({ redirect_uris: ['https://c.test/EVIL*'] }).description).not.toContain('EVIL')
  })
})

describe('any document', () => {
  const member = fc.constantFrom(
    'redirect_uris',
    'client_name',
    'client_uri',
    'grant_types',
    'response_types',
    'token_endpoint_auth_method',
    'scope',
    'contacts',
    'jwks',
    '__proto__',
  )
  const value = fc.oneof(
    fc.jsonValue(),
    fc.array(fc.webUrl({ validSchemes: ['https'] })),
    fc.string({ unit: 'binary' }),
  )

  test('is accepted or refused with a code of RFC 7591, and what is accepted is accepted again', () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(member, value), fc.jsonValue()), (document) => {
        try {
          const metadata = readClientMetadata(document)
          expect(readClientMetadata(metadata)).toEqual(metadata)
          expect(JSON.stringify(metadata)).not.toContain('null')
        } catch (error) {
          if (!(error instanceof OAuthError)) throw error
          expect(['invalid_redirect_uri', 'invalid_client_metadata']).toContain(error.code)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('the registration answer', () => {
  const metadata = accepted({ ...minimal, client_name: 'C' })
  const client = { id: 'cc_client_1', metadata, createdAt: 1_800_000_000 }

  test('of a public client has no secret and no word of one', () => {
    expect(registrationAnswer(client)).toEqual({
      client_id: 'cc_client_1',
      client_id_issued_at: 1_800_000_000,
      redirect_uris: uris,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      client_name: 'C',
    })
  })

  test('of a confidential client has the secret, which does not end', () => {
    expect(registrationAnswer(client, 'cc_secret_1')).toMatchObject({
      client_secret: 'cc_secret_1',
      client_secret_expires_at: 0,
    })
  })

  test('has no member that is null or undefined', () => {
    const answer = registrationAnswer(client)
    expect(Object.values(answer).filter((value) => value === null || value === undefined)).toEqual([])
  })
})
