import { expect, test } from 'vitest'
import { createPasswords } from '../../src/lib/passwords.ts'

const password = 'correct horse battery'

test('a password is kept as argon2id at the least cost OWASP allows, each with its own salt', async () => {
  const passwords = createPasswords()
  const [one, other] = [await passwords.hash(password), await passwords.hash(password)]
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect(one).not.toBe(other)
})

test('the right one is right, then remembered; any other is neither', async () => {
  const passwords = createPasswords()
  const hash = await passwords.hash(password)
  expect(passwords.isRemembered(password, hash)).toBe(false)
  expect(await passwords.verify('correct horse', hash)).toBe('wrong')
  expect(passwords.isRemembered('correct horse', hash)).toBe(false)
  expect(await passwords.verify(password, hash)).toBe('right')
  expect(passwords.isRemembered(password, hash)).toBe(true)
  expect(passwords.isRemembered(password, await passwords.hash(password))).toBe(false)
})

test('so many at once and so many who wait; the rest is turned away, but for what is remembered', async () => {
  const passwords = createPasswords({ atOnce: 2, waiting: 3 })
  const hash = await passwords.hash(password)
  await passwords.verify(password, hash)
  const verdicts = Array.from({ length: 20 }, (_, index) => passwords.verify(`wrong ${index}`, hash))
  expect(await passwords.verify(password, hash)).toBe('right')
  const told = await Promise.all(verdicts)
  expect(told.filter((verdict) => verdict === 'wrong')).toHaveLength(5)
  expect(told.filter((verdict) => verdict === 'busy')).toHaveLength(15)
  expect(await passwords.verify('afterwards', hash)).toBe('wrong')
})

test.each([
  undefined,
  '',
  'not a hash',
  '$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=19456,t=4000000000,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
])('nothing is right for the hash %s, and it takes no more than any other', async (hash) => {
  expect(await createPasswords().verify(password, hash)).toBe('wrong')
})
