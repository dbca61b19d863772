import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { findLeaks } from './leak-scan.ts'
import { basic } from './world.ts'

const random = () => `cc_${randomBytes(32).toString('base64url')}`
const planted = random()
const leaksIn = (text: string) => findLeaks(new Map([[planted, 'it']]), { there: text })

test.each([
  ['as it is', planted],
  ['in a sentence', `the token ${planted}, refused`],
  ['in hex', Buffer.from(`x${planted}`).toString('hex')],
  ['in base64', Buffer.from(`x${planted}y`).toString('base64')],
  ['in base64 with two before it', Buffer.from(`ab${planted}`).toString('base64')],
  ['in base64url', Buffer.from(`"${planted}",`).toString('base64url')],
  ['in Basic credentials', basic({ id: 'cc_client_1', secret: planted })],
  ['percent-encoded', [...planted].map((each) => `%${each.charCodeAt(0).toString(16)}`).join('')],
  ['cut off at its front', planted.slice(20)],
  ['cut off at its end', planted.slice(0, -5)],
])('a secret is found %s', (_how, text) => {
  const found = leaksIn(text)
  expect(found).not.toEqual([])
  for (const { secret, where } of found) expect({ secret, where }).toEqual({ secret: 'it', where: 'there' })
})

test('bytes are found, too', () => {
  const key = randomBytes(32)
  const secrets = new Map([[key, 'a key']])
  for (const text of [key, key.toString('hex'), key.toString('base64'), `x:${key.toString('base64url')}`]) {
    expect(findLeaks(secrets, { file: text })).not.toEqual([])
  }
})

test('nothing is found where only others are', () => {
  expect(leaksIn(Array.from({ length: 100 }, random).join(' '))).toEqual([])
})
