import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isUnproven, postgresAddress } from '../../src/storage/postgres/address.ts'

test.each([
  ['postgres://localhost/coats', { hosts: [{ host: 'localhost', port: 5432 }], database: 'coats' }],
  ['postgresql:///coats', { hosts: [{ host: 'localhost', port: 5432 }], user: undefined }],
  [
    'postgres://ada:p%40ss%2Fword@db.example:6432/coats',
    { hosts: [{ host: 'db.example', port: 6432 }], user: 'ada', password: 'p@ss/word' },
  ],
  ['postgres://[::1]:6432/coats', { hosts: [{ host: '::1', port: 6432 }] }],
  [
    'postgres://ada@one.example:1,two.example/coats?target_session_attrs=read-write',
    {
      hosts: [
        { host: 'one.example', port: 1 },
        { host: 'two.example', port: 5432 },
      ],
    },
  ],
  ['postgres://ada@localhost/coats?host=/run/pg&port=6432', { hosts: [{ host: '/run/pg', port: 6432 }] }],
  ['postgres://%2Frun%2Fpg/coats', { hosts: [{ host: '/run/pg', port: 5432 }] }],
])('%s is read as it is meant', (url, expected) => {
  expect(postgresAddress(url)).toMatchObject(expected)
})

test.each([
  ['postgres://localhost/x', 'none', false],
  ['postgres://127.0.0.1/x?sslmode=verify-full', 'full', false],
  ['postgres:///x?host=/run/pg', 'none', false],
  ['postgres://db.example/x', 'full', false],
  ['postgres://db.example/x?sslmode=require', 'full', false],
  ['postgres://db.example/x?sslmode=verify-ca&sslrootcert=/ca.pem', 'ca', false],
  ['postgres://db.example/x?sslmode=no-verify', 'encrypted', true],
  ['postgres://db.example/x?sslmode=disable', 'none', true],
  ['postgres://localhost,10.0.0.7/x?sslmode=disable', 'none', true],
  ['postgres://localhost,10.0.0.7/x', 'full', false],
])('the way of %s is protected: %s', (url, protection, unproven) => {
  const address = postgresAddress(url)
  expect(address.protection).toBe(protection)
  expect(isUnproven(address)).toBe(unproven)
})

test.each([
  'postgres://ada:hidden/word@db.example/x',
  'postgres://ada:5432/hidden@db.example',
  'postgres://ada:hidden#word@db.example/x',
  'postgres://ada:hidden%word@db.example/x',
  'postgres://ada:hidden@db.example:0/x',
  'postgres://ada:hidden@db.example:99999/x',
  'postgres://ada:hidden@a:b:c/x',
  'postgres://ada:hidden@db.example/x?sslmode=prefer',
  'postgres://ada:hidden@db.example/x?sslmode=allow',
  'postgres://ada:hidden@db.example/x?ssl=0',
  'postgres://ada:hidden@db.example/x?sslmode=verify-ca',
  'postgres://ada:hidden@db.example/x?sslmode=disable&sslrootcert=/ca.pem',
  'postgres://ada:hidden@db.example/x?sslcert=/cert.pem',
  'postgres://ada:hidden@db.example/x?uselibpqcompat=true',
  'postgres://ada:hidden@db.example/x?target_session_attrs=standby',
])('%s is refused without repeating it', (url) => {
  expect(() => postgresAddress(url)).toThrow(/^a PostgreSQL URL (?!.*hidden)/)
})

test('whatever it is, it is read or refused', () => {
  const part = fc.string({ maxLength: 12, unit: fc.constantFrom(...'ab:@/?#%&=,[]0 é'.split('')) })
  fc.assert(
    fc.property(part, part, part, (a, b, c) => {
      try {
        const { hosts } = postgresAddress(`postgres://${a}@${b}/${c}`)
        expect(hosts.every(({ host, port }) => host !== '' && port > 0 && port < 65_536)).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError)
        expect(String(error)).toContain('a PostgreSQL URL')
      }
    }),
  )
})
