import type { QueryConfig } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { postgresAddress } from '../../src/storage/postgres/address.ts'
import { openConnections } from '../../src/storage/postgres/connections.ts'
import { createStatementNames } from '../../src/storage/postgres/statement-names.ts'
import { type Line, type Progress, transact, unitsOn } from '../../src/storage/postgres/units.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { type StandIn, startStandIn } from '../support/postgres-standin.ts'

/** A line to a server that goes by its rules, and the statements it was told. */
function lineOf(answerTo: (text: string) => string | Error) {
  const told: string[] = []
  const query = async ({ text }: QueryConfig) => {
    told.push(text)
    const answer = answerTo(text)
    if (answer instanceof Error) throw answer
    return { command: answer }
  }
  return { told, line: { query } as unknown as Line }
}

test('what the server rolled back at COMMIT is not told to be there', async () => {
  const { told, line } = lineOf((text) => (text === 'COMMIT' ? 'ROLLBACK' : text))
  const progress: Progress = { mayBeCommitted: false }
  const outcome = transact('BEGIN', line, progress, async () => 'done')
  await expect(outcome).rejects.toThrow('a transaction that had failed')
  expect(told).toEqual(['BEGIN', 'COMMIT', 'ROLLBACK'])
  expect(progress.mayBeCommitted).toBe(false)
})

test('a statement has one name in every process, whatever each of them was asked first', () => {
  const statement = (text: string) => ({ name: '', text })
  const [one, other] = [createStatementNames('lasting'), createStatementNames('lasting')]
  const first = one.named(statement('select 1'))
  expect(other.named(statement('select 2')).name).not.toBe(first.name)
  expect(other.named(statement('select 1'))).toEqual(first)
  // PostgreSQL cuts off what is longer.
  expect(first.name.length).toBeLessThan(64)
})

async function standIn(role: 'primary' | 'standby' = 'primary'): Promise<StandIn> {
  const server = await startStandIn(role)
  onTestFinished(() => server.stop())
  return server
}

/** Connections to these, in this order. */
const connectionsTo = (servers: readonly StandIn[], { most = 10, patience = 60_000 }) =>
  openConnections(
    postgresAddress(`postgres://ada@${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}/coats`),
    most,
    { name: 'coatcheck', server: 'primary', patience },
  )

test('once the time for a connection is over nothing more is tried for it', async () => {
  const server = await standIn()
  const connections = connectionsTo([server], {})
  const [first, ...others] = await Promise.all([1, 2, 3].map(() => connections.take(Infinity)))
  const asked = server.asked()
  server.fallSilent()
  for (const { giveBack } of others) giveBack()
  // The others may have broken with it: each has to show that it answers, for which it has longer than anybody waits.
  first?.giveBack(new Error('Connection terminated unexpectedly'))
  await expect(connections.take(performance.now() + 100)).rejects.toEqual(
    new StorageUnavailableError('unreachable'),
  )
  expect(server.asked()).toBe(asked + 1)
  server.hangUp()
  await connections.end()
  expect([server.asked(), server.connected()]).toEqual([asked + 1, 3])
})

test('what has to be done again waits for no connection beyond its own time', async () => {
  const server = await standIn()
  const connections = connectionsTo([server], {})
  const runUnit = unitsOn({
    connections,
    names: createStatementNames('lasting'),
    patience: 400,
    onGaveWay() {},
  })
  await runUnit(async () => 'there is one now')
  let attempts = 0
  const outcome = runUnit(async () => {
    attempts++
    server.fallSilent()
    throw new Error('Connection terminated unexpectedly')
  })
  await expect(outcome).rejects.toEqual(new StorageUnavailableError('unreachable'))
  expect(attempts).toBe(1)
  server.hangUp()
  await connections.end()
})

test('a connection that comes too late is for whoever comes next', async () => {
  const server = await standIn()
  const connections = connectionsTo([server], { most: 1 })
  server.fallSilent()
  await expect(connections.take(performance.now() + 20)).rejects.toEqual(
    new StorageUnavailableError('unreachable'),
  )
  server.speak()
  const { giveBack } = await connections.take(Infinity)
  giveBack()
  expect(server.connected()).toBe(1)
  await connections.end()
})

test('of all who find a host silent at once each goes on to the next in time', async () => {
  const [silent, other] = [await standIn(), await standIn()]
  silent.fallSilent()
  const connections = connectionsTo([silent, other], { patience: 1_500 })
  const held = await Promise.all([1, 2, 3, 4].map(() => connections.take(Infinity)))
  expect([silent.connected(), other.connected()]).toEqual([4, 4])
  for (const { giveBack } of held) giveBack()
  await connections.end()
})
