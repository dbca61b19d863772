import { expect, test } from 'vitest'
import { applicationFindings } from '../../src/cli/application-findings.ts'
import { databaseFindings, sizeOf } from '../../src/cli/database-findings.ts'
import { workerFindings } from '../../src/cli/doctor.ts'
import {
  administratorFindings,
  connectionFindings,
  limitFindings,
  masterKeyFindings,
  proxyFindings,
} from '../../src/cli/gateway-findings.ts'
import { keyFindings, spanOf } from '../../src/cli/key-findings.ts'
import { resourceFindings } from '../../src/cli/resource-findings.ts'
import { limitsSchema } from '../../src/config/settings.ts'
import type { DatabaseView } from '../../src/endpoints/admin/diagnosis.ts'

const told = (found: { state: string; message: string }[]) =>
  found.filter(({ state }) => state !== 'ok').map(({ state, message }) => `${state}: ${message}`)

const day = 86_400
const now = 1_800_000_000

const sqlite = {
  kind: 'sqlite',
  version: '3',
  path: '/data/coatcheck.db',
  journal_mode: 'wal',
  synchronous: 'full',
  foreign_keys: true,
  secure_delete: true,
  page_size: 8192,
  bytes: 8192,
  free_bytes: 10 * 1024 ** 3,
  exposed: [],
} satisfies DatabaseView

test.each([
  [{}, []],
  [{ journal_mode: 'delete' }, [/^wrong: its journal is delete and not WAL/]],
  [{ synchronous: 'normal' }, [/^wrong: synchronous is normal/]],
  [
    { foreign_keys: false, secure_delete: false },
    [/^wrong: foreign keys are off/, /^wrong: secure_delete is off/],
  ],
  [{ page_size: 4096 }, [/^note: its pages have 4096 bytes/]],
  [{ free_bytes: 500 * 1024 ** 2 }, [/^note: its disk has 500 MB left/]],
  [{ free_bytes: 5 * 1024 ** 2 }, [/^wrong: its disk has 5.0 MB left/]],
  [{ exposed: ['/data/coatcheck.db'] }, [/^note: others on this machine may read \/data/]],
  [{ path: ':memory:' }, [/^note: it is in memory/]],
] as const)('an SQLite database with %j is told so', (difference, expected) => {
  const found = told(databaseFindings({ ...sqlite, ...difference } as DatabaseView, 'gateway'))
  expect(found).toEqual(expected.map((words) => expect.stringMatching(words)))
})

test('the settings of a connection that only looks mean nothing', () => {
  const looked = { ...sqlite, synchronous: 'normal', foreign_keys: false, secure_delete: false } as const
  expect(told(databaseFindings(looked, 'file'))).toEqual([])
})

const postgres = {
  kind: 'postgres',
  version: '18',
  synchronous_commit: 'on',
  fsync: true,
  isolation: 'read committed',
  read_only: false,
  transport: 'encrypted',
  bytes: 8192,
  pool: { open: 10, most: 10, waiting: 0 },
  server: { open: 10, most: 100, others: 0, gateways: 1 },
} satisfies DatabaseView

test.each([
  [{}, []],
  [
    { synchronous_commit: 'off', fsync: false },
    [/^wrong: synchronous_commit is off/, /^wrong: fsync is off/],
  ],
  [{ version: '13.14 (Debian 13.14-1)' }, [/^wrong: version 14 is the oldest that will do/]],
  [{ read_only: true }, [/^wrong: the server takes no writes/]],
  [{ isolation: 'serializable' }, [/^note: its isolation is serializable/]],
  [{ transport: 'plain' }, [/^note: .* not encrypted/]],
  [{ pool: { open: 10, most: 10, waiting: 3 } }, [/^note: all 10 connections are busy and 3 requests wait/]],
  [
    { server: { open: 80, most: 100, others: 70, gateways: 1 } },
    [/^note: 80 of the server’s 100 connections/],
  ],
  [
    { server: { open: 30, most: 97, others: 8, gateways: 9 } },
    [/^note: 9 gateways may want 90 connections beside 8 of others, and the server has 97/],
  ],
  [
    { pool: { open: 1, most: 200, waiting: 0 }, server: { open: 2, most: 97, others: 1, gateways: 0 } },
    [/^note: one gateway may want 200 connections/],
  ],
] as const)('a PostgreSQL database with %j is told so', (difference, expected) => {
  const found = told(databaseFindings({ ...postgres, ...difference }, 'gateway'))
  expect(found).toEqual(expected.map((words) => expect.stringMatching(words)))
})

test('master keys are told by what they do', () => {
  const states = ['sealing', 'opening', 'wrong', 'missing'] as const
  const found = masterKeyFindings({ master_keys: states.map((state) => ({ id: state, state })) })
  expect(found.map(({ state }) => state)).toEqual(['ok', 'ok', 'wrong', 'note'])
})

test.each([
  [{ token: true, read: 0, write: 0 }, 'ok'],
  [{ token: false, read: 1, write: 1 }, 'note'],
  [{ token: false, read: 1, write: 0 }, 'wrong'],
])('%j administrators are %s', (administrators, state) => {
  const found = administratorFindings({ administrators } as Parameters<typeof administratorFindings>[0])
  expect(found).toMatchObject([{ state }])
})

const proxy = ['10.0.0.1']
test.each([
  ['of this machine', 'http://localhost:8080', [], { direct: 9 }, 'ok'],
  ['of this machine, behind a proxy', 'http://localhost:8080', [], { disbelieved: 1 }, 'note'],
  ['in public without a trusted proxy', 'https://auth.test', [], { direct: 9 }, 'wrong'],
  ['in public behind a proxy that is not trusted', 'https://auth.test', [], { disbelieved: 9 }, 'wrong'],
  ['in public behind another proxy than is trusted', 'https://auth.test', proxy, { disbelieved: 9 }, 'wrong'],
  ['in public behind a proxy that says nothing', 'https://auth.test', proxy, { direct: 9 }, 'note'],
  [
    'in public with a way past the proxy',
    'https://auth.test',
    proxy,
    { believed: 9, disbelieved: 1 },
    'note',
  ],
  ['in public behind its proxy', 'https://auth.test', proxy, { believed: 9, direct: 1 }, 'ok'],
])('a gateway %s', (_where, issuer, trusted, counts, state) => {
  const forwarding = { trusted_proxies: trusted, direct: 0, believed: 0, disbelieved: 0, ...counts }
  expect(proxyFindings({ forwarding }, issuer)).toMatchObject([{ state }])
})

test('limits that were changed are told, and those that are nearly or wholly used up', () => {
  const limits = { ...limitsSchema.parse({}), registrations: 10 }
  const usage = [
    { limit: 'registrations', used: 10, most: 10 },
    { limit: 'authorizations', used: 80, most: 100 },
    { limit: 'unused_clients', used: 79, most: 100 },
  ]
  const found = limitFindings({ limits, usage })
  expect(found[0]?.message).toMatch(/^registrations 10; taken just now: registrations 10 of 10, /)
  expect(told(found)).toEqual([
    expect.stringMatching(/^wrong: registrations is used up/),
    expect.stringMatching(/^note: authorizations is nearly used up: 80 of 100/),
  ])
  expect(limitFindings({ limits: limitsSchema.parse({}), usage: [] })).toMatchObject([
    { state: 'ok', message: 'as they come; taken just now: nothing' },
  ])
})

const key = (kid: string, state: string, active: number, retires: number | null = null) => ({
  kid: `${kid}-of-a-key`,
  state,
  created_at: active - 600,
  active_at: active,
  retires_at: retires,
})
const at = { now, tokenLifetime: 3600 }

test('one key signs, no more and no fewer', () => {
  expect(keyFindings([key('a', 'signing', now - 60)], at)).toMatchObject([{ state: 'ok' }])
  expect(keyFindings([], at)).toMatchObject([{ state: 'wrong' }])
  const two = [key('a', 'signing', now - 60), key('b', 'signing', now - 60)]
  expect(keyFindings(two, at)).toMatchObject([{ state: 'wrong' }])
})

test('a rotation is told: who signs next, and how long the old key still verifies', () => {
  const keys = [
    key('new', 'pending', now + 300),
    key('now', 'signing', now - day, now + 300 + 3600),
    key('old', 'retiring', now - 9 * day, now + 7200),
  ]
  const found = keyFindings(keys, at)
  expect(found.map(({ message }) => message)).toEqual([
    'now-of-a signs, for 24 hours',
    'new-of-a is published, and signs in 5 minutes',
    expect.stringMatching(/^old-of-a signs no more, and verifies tokens for another 2 hours, to 2027-/),
  ])
  expect(told(found)).toEqual([])
})

test('a key that should be rotated, one before its time, and one that goes too soon are told', () => {
  expect(told(keyFindings([key('a', 'signing', now - 366 * day)], at))).toEqual([
    expect.stringMatching(/^note: .* more than a year/),
  ])
  expect(told(keyFindings([key('a', 'signing', now + 120)], at))).toEqual([
    expect.stringMatching(/^wrong: .* comes in 2 minutes: the gateway’s clock runs behind/),
  ])
  const short = [key('a', 'signing', now - 60), key('b', 'retiring', now - day, now + 60)]
  expect(told(keyFindings(short, at))).toEqual([
    expect.stringMatching(/^note: .* goes 58 minutes before the last token it signed ends/),
  ])
})

test('an MCP server that cannot be signed in to, or fetch its tokens, is told so', () => {
  const item = { id: 'notes', resource: 'https://notes.test/mcp', enabled: true }
  const asking = { ...item, providers: [{ provider: 'forge', required: true }] }
  const forge = { id: 'forge', enabled: true }
  const optional = { ...item, providers: [{ provider: 'forge', required: false }] }
  type Known = Partial<Parameters<typeof resourceFindings>[1]>
  const states = (item: Parameters<typeof resourceFindings>[0], known: Known) =>
    resourceFindings(item, { credentials: 1, providers: [], resources: [], ...known }).map(
      ({ state }) => state,
    )
  expect(states(item, { credentials: 0, providers: [] })).toEqual(['ok'])
  expect(states(asking, { credentials: 1, providers: [forge] })).toEqual(['ok'])
  expect(states(asking, { credentials: 0, providers: [forge] })).toEqual(['ok', 'note'])
  expect(states(asking, { credentials: 1, providers: [] })).toEqual(['ok', 'wrong'])
  expect(states(optional, { credentials: 1, providers: [{ ...forge, enabled: false }] })).toEqual([
    'ok',
    'note',
  ])
  expect(states({ ...item, enabled: false }, { credentials: 1, providers: [] })).toEqual(['note'])
  const called = { ...item, callers: [{ resource: 'desk', for: { 'desk.read': [] } }] }
  expect(states(called, { resources: [{ id: 'desk', enabled: true }] })).toEqual(['ok'])
  expect(states(called, { resources: [{ id: 'desk', enabled: false }] })).toEqual(['ok', 'note'])
  expect(states(called, {})).toEqual(['ok', 'note'])
})

test('an MCP server that is open to people is told to be unprotected, or to wait for review', () => {
  const failing = { code: 'probe_failed', message: 'the probe challenge fails: answers 200' }
  const changed = { code: 'tool_changed', message: 'the tool read has changed, and waits for review' }
  const open = { published_at: now, activated_at: now, missing: [failing, changed] }
  expect(told(applicationFindings('notes', open))).toEqual([
    `wrong: ${failing.message}`,
    `note: ${changed.message}`,
  ])
  expect(applicationFindings('notes', { ...open, missing: [] })).toEqual([])
  expect(told(applicationFindings('notes', { ...open, activated_at: null }))).toEqual([
    'note: its tools are not open to people yet',
  ])
  const plain = { published_at: null, activated_at: null, missing: [{ code: 'never_probed' }] }
  expect(applicationFindings('notes', plain)).toEqual([])
})

test('sizes and spans are in the unit that says enough', () => {
  expect([0, 1023, 1024, 1_500_000, 20 * 1024 ** 3].map(sizeOf)).toEqual([
    '0 bytes',
    '1023 bytes',
    '1.0 KB',
    '1.4 MB',
    '20 GB',
  ])
  expect([0, 1, 119, 120, 7200, 47 * 3600, 3 * day].map(spanOf)).toEqual([
    '0 seconds',
    '1 second',
    '119 seconds',
    '2 minutes',
    '2 hours',
    '47 hours',
    '3 days',
  ])
})

test('that people have to connect again is noted while there is time', () => {
  expect(told(connectionFindings({ connections_ending: [] }))).toEqual([])
  const connections_ending = [
    { provider: 'forge', count: 2 },
    { provider: 'wiki', count: 1 },
  ]
  expect(told(connectionFindings({ connections_ending }))).toEqual([
    expect.stringMatching(/^note: 2 at forge, 1 at wiki will end within a week/),
  ])
})

test('more workers than cores are told of', () => {
  expect(workerFindings(1, 1)).toEqual([])
  expect(workerFindings(2, 2)).toMatchObject([{ state: 'ok' }])
  expect(workerFindings(3, 2)).toMatchObject([{ state: 'note', message: expect.stringContaining('2 cores') }])
})
