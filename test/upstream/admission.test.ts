import { expect, test } from 'vitest'
import type { Admit } from '../../src/storage/documents.ts'
import { admitted } from '../../src/upstream/admission.ts'
import type { UpstreamIdentity } from '../../src/upstream/identity.ts'
import { testProvider } from '../support/upstream.ts'

const somebody: UpstreamIdentity = {
  issuer: 'https://i.test',
  subject: '7',
  label: 'Ada',
  emailVerified: false,
  groups: [],
}

const isAdmitted = (admit: Admit, differences: Partial<UpstreamIdentity> = {}) =>
  admitted(testProvider('github', {}, { admit }), { ...somebody, ...differences })

test('anyone is anyone', () => {
  expect(isAdmitted('anyone')).toBe(true)
})

test('a hosted domain counts by its claim alone', () => {
  const admit = { hosted_domains: ['acme.com'] }
  expect(isAdmitted(admit, { hostedDomain: 'acme.com' })).toBe(true)
  expect(isAdmitted(admit, { hostedDomain: 'ACME.com' })).toBe(true)
  expect(isAdmitted(admit, { hostedDomain: 'evil.acme.com' })).toBe(false)
  expect(isAdmitted(admit, { email: 'a@acme.com', emailVerified: true })).toBe(false)
  expect(isAdmitted(admit)).toBe(false)
})

test('an address counts by its domain, and only when it is verified', () => {
  const admit = { email_domains: ['Acme.com'] }
  expect(isAdmitted(admit, { email: 'a@acme.com', emailVerified: true })).toBe(true)
  expect(isAdmitted(admit, { email: 'a@acme.com', emailVerified: false })).toBe(false)
  expect(isAdmitted(admit, { email: 'a@acme.com.evil.test', emailVerified: true })).toBe(false)
  expect(isAdmitted(admit, { email: 'a@notacme.com', emailVerified: true })).toBe(false)
  expect(isAdmitted(admit, { email: 'a@acme.com@evil.test', emailVerified: true })).toBe(false)
  expect(isAdmitted(admit, { emailVerified: true })).toBe(false)
})

test('subjects and tenants are compared exactly', () => {
  expect(isAdmitted({ subjects: ['7'] })).toBe(true)
  expect(isAdmitted({ subjects: ['70'] })).toBe(false)
  expect(isAdmitted({ tenants: ['T1'] }, { tenant: 'T1' })).toBe(true)
  expect(isAdmitted({ tenants: ['T1'] }, { tenant: 't1' })).toBe(false)
  expect(isAdmitted({ tenants: ['T1'] })).toBe(false)
})

test('any one rule suffices, and no rule admits nobody', () => {
  const admit = { hosted_domains: ['acme.com'], subjects: ['7'] }
  expect(isAdmitted(admit)).toBe(true)
  expect(isAdmitted(admit, { subject: '8' })).toBe(false)
  expect(isAdmitted({})).toBe(false)
})
