import { beforeEach, expect, test, vi } from 'vitest'
import { becomes, change, compare, createModel, learn, type Model } from './model.ts'
import { scenarios } from './scenarios.ts'
import type { Answer, Outcome } from './send.ts'

// The model is what torture believes: it has to notice when a gateway does not keep its word.

let model: Model
let truth: Record<string, 'live' | 'ended'>

beforeEach(() => {
  model = createModel()
  truth = {}
  // What was answered long ago has reached every gateway.
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 10_000))
  return () => vi.restoreAllMocks()
})

const session = (name: string) => {
  truth[name] = 'live'
  return learn(model, { name, state: 'live', look: async () => truth[name] })
}
const answered = (outcome: Outcome): Answer => ({ outcome, status: 0, body: {} })
const look = async () => {
  await compare(model, () => 0, 'all')
  return model.wrong
}

test('what was acknowledged and is so is not wrong', async () => {
  const ada = session('ada')
  await change(model, { what: 'revoking', changes: [becomes(ada, 'ended')] }, async () => {
    truth.ada = 'ended'
    return answered('acknowledged')
  })
  expect(await look()).toEqual([])
})

test('what was acknowledged and got lost is wrong', async () => {
  session('ada')
  truth.ada = 'ended'
  expect(await look()).toEqual(['ada is ended by looking, and was answered to be live'])
})

test('what was acknowledged as ended and lives is wrong', async () => {
  const ada = session('ada')
  const ask = async () => answered('acknowledged')
  await change(model, { what: 'revoking', changes: [becomes(ada, 'ended')] }, ask)
  expect(await look()).toEqual(['ada is live by looking, and was answered to be ended'])
})

test('what was refused and came about all the same is wrong', async () => {
  const ada = session('ada')
  await change(model, { what: 'revoking', changes: [becomes(ada, 'ended')] }, async () => answered('refused'))
  truth.ada = 'ended'
  expect(await look()).toEqual(['ada is ended by looking, and was answered to be live'])
})

test.each(['live', 'ended'] as const)('what nobody knows may be %s, but then stays so', async (state) => {
  const ada = session('ada')
  await change(model, { what: 'revoking', changes: [becomes(ada, 'ended')] }, async () => answered('unknown'))
  truth.ada = state
  expect(await look()).toEqual([])
  const other = state === 'live' ? 'ended' : 'live'
  truth.ada = other
  expect(await look()).toEqual([`ada is ${other} by looking, and was answered to be ${state}`])
})

test('what comes about together and is done by half is wrong', async () => {
  const changes = [session('ada'), session('bob')].map((each) => becomes(each, 'ended'))
  await change(model, { what: 'ending both', changes }, async () => answered('unknown'))
  truth.ada = 'ended'
  expect(await look()).toEqual(['ending both was done by half: 1 of 2 changes'])
})

test('what was changed once more says nothing of what was done by half', async () => {
  const [ada, bob] = [session('ada'), session('bob')]
  const both = [ada, bob].map((each) => becomes(each, 'ended'))
  await change(model, { what: 'ending both', changes: both }, async () => answered('unknown'))
  await change(model, { what: 'ending one', changes: [becomes(ada, 'ended')] }, async () => {
    truth.ada = 'ended'
    return answered('acknowledged')
  })
  expect(await look()).toEqual([])
})

test('what nobody says anything of is wrong', async () => {
  learn(model, { name: 'ada', state: 'live', look: async () => undefined })
  expect(await look()).toEqual(['nobody says how ada is'])
})

test('every scenario has a name of its own', () => {
  expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length)
})
