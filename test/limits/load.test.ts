import { expect, test } from 'vitest'
import { answerDeadline, createLoad } from '../../src/limits/load.ts'

const precedences = ['new', 'ordinary', 'needed'] as const
const request = (since = 0) => ({ since, giveUp: () => {} })

const refused = (load: ReturnType<typeof createLoad>) => precedences.filter((each) => load.refuses(each))

test('what is new is refused at half of what may be under way, what is needed last', () => {
  const load = createLoad({ underWay: 100, lag: 500 })
  const seen = new Map<string, number>()
  for (let count = 1; count <= 100; count++) {
    load.begin(request())
    const now = refused(load).join()
    if (!seen.has(now)) seen.set(now, count)
  }
  expect([...seen]).toEqual([
    ['', 1],
    ['new', 50],
    ['new,ordinary', 75],
    ['new,ordinary,needed', 100],
  ])
})

test('what is answered makes room, and nothing does so twice', () => {
  const load = createLoad({ underWay: 2, lag: 500 })
  const [one, other] = [request(), request()]
  load.begin(one)
  load.begin(other)
  expect(load.refuses('needed')).toBe(true)
  load.end(one)
  load.end(one)
  expect([load.refuses('needed'), load.underWay()]).toEqual([false, 1])
})

test('a late event loop lets go of what is new, at twice that of the rest, and never of what is needed', () => {
  const load = createLoad({ underWay: 100, lag: 500 })
  const at = (lag: number) => {
    load.noteLag(lag)
    return refused(load)
  }
  expect([at(499), at(500), at(999), at(1_000), at(60_000), at(0)]).toEqual([
    [],
    ['new'],
    ['new'],
    ['new', 'ordinary'],
    ['new', 'ordinary'],
    [],
  ])
})

test('what is not answered by its deadline is given up, and counts no more', () => {
  const load = createLoad({ underWay: 100, lag: 500 })
  const given: string[] = []
  load.begin({ since: 0, giveUp: () => given.push('first') })
  load.begin({ since: 10, giveUp: () => given.push('second') })
  load.endOverdue(answerDeadline - 1)
  expect(given).toEqual([])
  load.endOverdue(answerDeadline)
  expect([given, load.underWay()]).toEqual([['first'], 1])
  load.endOverdue(answerDeadline + 10)
  load.endOverdue(answerDeadline + 10)
  expect([given, load.underWay()]).toEqual([['first', 'second'], 0])
})
