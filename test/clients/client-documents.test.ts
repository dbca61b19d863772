import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type ClientDocuments, createClientDocuments } from '../../src/clients/client-documents.ts'
import { registrationPolicySchema } from '../../src/clients/registration-policy.ts'
import { FetchError } from '../../src/lib/fetch-error.ts'
import type { GuardedFetch, GuardedRequest } from '../../src/lib/guarded-fetch.ts'
import type { Client } from '../../src/storage/clients.ts'
import type { Store } from '../../src/storage/store.ts'

// What is asked of the guarded fetch; what becomes of the answers is tried over HTTP in test/registration.

function documentsFrom(fetch: GuardedFetch, now = () => 1_000): ClientDocuments {
  const kept = new Map<string, Client>()
  const clients = {
    find: async (id: string) => kept.get(id),
    saveDocument: async (client: Client) => {
      kept.set(client.id, client)
      return client
    },
  } as unknown as Store['clients']
  return createClientDocuments({
    store: {
      clients,
      unusedClients: { makeRoom: async () => undefined } as unknown as Store['unusedClients'],
    },
    fetch,
    clock: now,
    allowLoopback: false,
    deadline: 5,
    mayFetch: () => true,
    policy: registrationPolicySchema.parse({}),
    unusedLifetime: 86_400,
    mostUnused: 100,
  })
}

const idOf = (index: number) => `https://client.test/${index}.json`

const answer = (id: string) =>
  new Response(JSON.stringify({ client_id: id, client_name: 'C', redirect_uris: ['http://127.0.0.1/cb'] }), {
    headers: { 'content-type': 'application/json' },
  })

test('a document is asked for as JSON, within its seconds and 5 KB, and at no private address', async () => {
  const asked: [string, GuardedRequest | undefined][] = []
  const documents = documentsFrom(async (url, request) => {
    asked.push([String(url), request])
    return answer(String(url))
  })
  expect(await documents.find(idOf(1))).toMatchObject({ outcome: 'found', client: { id: idOf(1) } })
  expect(asked).toEqual([
    [idOf(1), { headers: { accept: 'application/json' }, deadline: 5, limit: 5 * 1024 }],
  ])
})

test('hosts that never answer hold 32 fetches and no more, and each is let go when its time is over', async () => {
  const waiting: (() => void)[] = []
  const documents = documentsFrom(
    () =>
      new Promise((_resolve, reject) => {
        waiting.push(() => reject(new FetchError('deadline', 'no answer in time')))
      }),
  )
  const first = Array.from({ length: 32 }, (_, index) => documents.find(idOf(index)))
  expect(await documents.find(idOf(100))).toEqual({ outcome: 'unreachable', host: 'client.test' })
  expect(waiting).toHaveLength(32)
  for (const letGo of waiting.splice(0)) letGo()
  const answers = await Promise.all(first)
  expect(answers.every(({ outcome }) => outcome === 'unreachable')).toBe(true)
  // There is room again.
  const later = documents.find(idOf(101))
  await turn()
  expect(waiting).toHaveLength(1)
  waiting[0]?.()
  expect(await later).toMatchObject({ outcome: 'unreachable' })
})

test('however many ask for clients that are known, a new one is fetched', async () => {
  const documents = documentsFrom(async (url) => answer(String(url)))
  const known = Array.from({ length: 40 }, (_, index) => idOf(index))
  for (const id of known) await documents.find(id)
  const answers = await Promise.all([...known, idOf(200)].map((id) => documents.find(id)))
  expect(answers.every(({ outcome }) => outcome === 'found')).toBe(true)
})

test('a mistake of ours is not taken for a host that fails', async () => {
  const documents = documentsFrom(async () => {
    throw new TypeError('a bug')
  })
  await expect(documents.find(idOf(1))).rejects.toThrow('a bug')
})
