import { expect, test } from 'vitest'
import { keepAnswer } from '../../src/lib/kept-answer.ts'

/** Something that is asked, and answers when it is told to. */
function asked() {
  const askings: PromiseWithResolvers<string>[] = []
  const ask = () => {
    const asking = Promise.withResolvers<string>()
    askings.push(asking)
    return asking.promise
  }
  return { ask, askings }
}

test('all who want to know in one moment cost one asking, before its answer and after it', async () => {
  let now = 100
  const { ask, askings } = asked()
  const know = keepAnswer(ask, () => now)
  const all = [know(), know()]
  askings[0]?.resolve('first')
  expect(await Promise.all([...all, know()])).toEqual(['first', 'first', 'first'])
  // A clock that was put back is another moment, too.
  now -= 50
  const next = know()
  askings[1]?.resolve('second')
  expect([await next, askings.length]).toEqual(['second', 2])
})

test('who comes in another moment waits for no earlier asking, and is not told its failure', async () => {
  let now = 100
  const { ask, askings } = asked()
  const know = keepAnswer(ask, () => now)
  const slow = know()
  now += 1
  const quick = know()
  askings[1]?.resolve('well')
  expect(await quick).toBe('well')
  askings[0]?.reject(new Error('gone'))
  await expect(slow).rejects.toThrow('gone')
  expect([await know(), askings.length]).toEqual(['well', 2])
})

test('a failure is told to those who wait for it, and asked anew', async () => {
  const { ask, askings } = asked()
  const know = keepAnswer(ask, () => 100)
  const both = Promise.allSettled([know(), know()])
  askings[0]?.reject(new Error('gone'))
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const again = know()
  askings[1]?.resolve('well')
  expect(await again).toBe('well')
})
