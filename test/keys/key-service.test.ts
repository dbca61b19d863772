import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createKeyService, openedLifetime } from '../../src/keys/key-service.ts'
import { FetchError } from '../../src/lib/fetch-error.ts'
import { createGuardedFetch, type GuardedFetch } from '../../src/lib/guarded-fetch.ts'
import { createSealer, type Place, SealError, type Sealer, wrapUnder } from '../../src/lib/seal.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { startVault, type Vault } from '../../standins/vault.ts'

const place: Place = { table: 'connections', row: 'con_1', column: 'sealed_access_token' }
const elsewhere: Place = { ...place, row: 'con_2' }
const start = 1_800_000_000

let vault: Vault
const time = { now: start }
beforeAll(async () => {
  vault = await startVault()
})
afterAll(() => vault.stop())
beforeEach(() => {
  time.now = start
})
afterEach(() => {
  vault.control.clearScripts()
  vault.control.seal(false)
})

const encryptions = 'POST /v1/transit/encrypt/coatcheck'
const decryptions = 'POST /v1/transit/decrypt/coatcheck'
const asked = () => vault.calls(encryptions).length + vault.calls(decryptions).length

const service = (address: Partial<Parameters<typeof createKeyService>[0]['address']> = {}) =>
  createKeyService({
    address: { url: vault.keyUrl, id: 'coatcheck', token: () => vault.token, ...address },
    fetch: createGuardedFetch({ allowLoopback: true }),
    clock: () => time.now,
    deadline: 1,
  })
/** Another process: it has opened nothing yet. */
const process = (): Sealer => createSealer([service()])

test('a value opens in every process, in its own place alone, and shows nothing of its key', async () => {
  const sealed = await process().seal('a token', place)
  expect(sealed).toMatch(/^v1\.coatcheck\.vault:v1:[A-Za-z0-9+/=]+~[\w-]+\.[\w-]+$/)
  expect(await process().open(sealed, place)).toBe('a token')
  await expect(process().open(sealed, elsewhere)).rejects.toThrow(SealError)
  const [one, two] = [sealed, await process().seal('another', place)].map((each) => each.split('.'))
  const mixed = [...(one ?? []).slice(0, 3), two?.[3]].join('.')
  await expect(process().open(mixed, place)).rejects.toThrow(SealError)
})

test('hundreds of values cost the service one request, and opening them elsewhere one more', async () => {
  const before = asked()
  const here = process()
  const sealed = await Promise.all(Array.from({ length: 300 }, (_, at) => here.seal(`t${at}`, place)))
  expect(asked() - before).toBe(1)
  const there = process()
  const opened = await Promise.all(sealed.map((each) => there.open(each, place)))
  expect(opened.at(-1)).toBe('t299')
  expect(asked() - before).toBe(2)
  expect(new Set(sealed.map((each) => each.split('~')[1])).size).toBe(300)
})

test('what the service is told is a key and what it is for, and the token stands in no error', async () => {
  await process().seal('CANARY', place)
  const [call] = vault.calls(encryptions).slice(-1)
  expect(Object.keys(call?.body ?? {}).toSorted()).toEqual(['associated_data', 'plaintext'])
  expect(JSON.stringify(call?.body)).not.toContain(Buffer.from('CANARY').toString('base64'))
  const error = await createSealer([service({ token: () => 'hvs.wrong' })])
    .seal('x', place)
    .catch((thrown: Error) => thrown)
  expect(error).toBeInstanceOf(StorageUnavailableError)
  expect(`${error} ${(error as Error).cause}`).not.toContain('hvs.')
})

test.each<[string, () => void]>([
  ['is sealed', () => vault.control.seal(true)],
  ['drops the connection', () => script({ kind: 'drop', when: 'before' })],
  ['does not answer in time', () => script({ kind: 'hold' })],
  ['answers something else', () => script({ kind: 'respond', status: 200, body: '<html>' })],
  ['answers without end', () => script({ kind: 'huge', bytes: 200_000 })],
  [
    'sends elsewhere',
    () => script({ kind: 'respond', status: 302, headers: { location: 'http://127.0.0.1:1/' } }),
  ],
  [
    'hands out a text that is no ciphertext',
    () => script({ kind: 'patch', json: { data: { ciphertext: 'a.b' } } }),
  ],
])('where the service %s, it is unavailable, and never a damaged value', async (_what, happen) => {
  const sealed = await process().seal('kept', place)
  const [sealing, opening] = [process(), process()]
  happen()
  await expect(sealing.seal('x', place)).rejects.toThrow(StorageUnavailableError)
  await expect(opening.open(sealed, place)).rejects.toThrow(StorageUnavailableError)
  vault.control.clearScripts()
  vault.control.seal(false)
  expect(await opening.open(sealed, place)).toBe('kept')
  expect(await opening.open(await sealing.seal('y', place), place)).toBe('y')
})

function script(effect: Record<string, unknown>): void {
  vault.control.script({ on: 'POST *', times: 'always', effect } as Parameters<Vault['control']['script']>[0])
}

test('a token that cannot be read is an outage', async () => {
  const sealer = createSealer([
    service({
      token() {
        throw new Error('ENOENT')
      },
    }),
  ])
  await expect(sealer.seal('x', place)).rejects.toThrow(StorageUnavailableError)
})

test('what is open stays so through an outage of any length, and sealing goes on', async () => {
  const here = process()
  const sealed = await here.seal('kept', place)
  const [unseen] = [await process().seal('unseen', place)]
  vault.control.seal(true)
  for (let hours = 1; hours <= 5; hours++) {
    time.now = start + hours * openedLifetime
    expect(await here.open(sealed, place)).toBe('kept')
    expect(await here.open(await here.seal('rotated', place), place)).toBe('rotated')
    await expect(here.open(unseen ?? '', place)).rejects.toThrow(StorageUnavailableError)
  }
})

describe('of many keys', () => {
  /** A process over a service that hands out the key the text itself says, so that thousands of them cost little. */
  function start(parts: { capacity?: number } = {}) {
    const transit = { asked: 0, isSilent: false }
    const fetch: GuardedFetch = async (_url, { body = '' } = {}) => {
      transit.asked++
      if (transit.isSilent) throw new FetchError('unreachable', 'nobody is there')
      const { ciphertext } = JSON.parse(String(body)) as { ciphertext: string }
      return Response.json({ data: { plaintext: ciphertext.split(':')[2] } })
    }
    const address = { url: vault.keyUrl, id: 'coatcheck', token: () => vault.token }
    const holder = createKeyService({ address, fetch, clock: () => time.now, deadline: 1, ...parts })
    const associated = Buffer.from('a place')
    const open = async (at: number) => {
      const key = Buffer.alloc(32)
      key.writeUInt32BE(at)
      const wrapped = wrapUnder(key, Buffer.from(`data key ${at}`), associated)
      const dataKey = await holder.unwrap(`vault:v1:${key.toString('base64')}~${wrapped}`, associated)
      return Buffer.from(dataKey).toString()
    }
    return { transit, open }
  }

  test('those of months stay open through an outage', async () => {
    const { transit, open } = start()
    const many = Array.from({ length: 2_000 }, (_, at) => at)
    await Promise.all(many.map(open))
    transit.isSilent = true
    time.now += openedLifetime
    expect(await Promise.all(many.map(open))).toEqual(many.map((at) => `data key ${at}`))
  })

  test('where there are too many, the one that was used longest ago makes room', async () => {
    const { transit, open } = start({ capacity: 3 })
    for (const at of [1, 2, 3, 1, 4]) await open(at)
    expect(transit.asked).toBe(4)
    transit.isSilent = true
    for (const at of [1, 3, 4]) expect(await open(at)).toBe(`data key ${at}`)
    await expect(open(2)).rejects.toThrow(StorageUnavailableError)
  })
})

test('what the service refuses is open for an hour at most; what is sealed meanwhile is not lost', async () => {
  let token = vault.token
  const here = createSealer([service({ token: () => token })])
  const sealed = await here.seal('kept', place)
  token = 'hvs.revoked'
  time.now += openedLifetime - 1
  expect(await here.open(sealed, place)).toBe('kept')
  time.now += 1
  await expect(here.open(sealed, place)).rejects.toThrow(StorageUnavailableError)
  const meanwhile = await here.seal('meanwhile', place)
  token = vault.token
  expect(await here.open(meanwhile, place)).toBe('meanwhile')
})

test('a key that was rotated there seals from now on; values of the version before are to be rewrapped', async () => {
  const here = process()
  const before = await here.seal('kept', place)
  const prefix = await here.currentPrefix()
  expect(before.startsWith(prefix)).toBe(true)
  vault.control.rotate()
  time.now += 60
  const next = await here.currentPrefix()
  expect(next).not.toBe(prefix)
  expect(before.startsWith(next)).toBe(false)
  const after = await here.rewrap(before, place)
  expect(after.startsWith(next)).toBe(true)
  expect(after.split('.')[3]).toBe(before.split('.')[3])
  vault.control.oldest(Number(/vault:v(\d+):/.exec(next)?.[1]))
  expect(await process().open(after, place)).toBe('kept')
  // The policy says no: that is no damage, and may be taken back.
  await expect(process().open(before, place)).rejects.toThrow(StorageUnavailableError)
  vault.control.oldest(1)
  expect(await process().open(before, place)).toBe('kept')
})

test('values move from a master key of our own to the service, and back', async () => {
  const own = { id: 'own', key: randomBytes(32) }
  const sealed = await createSealer([own]).seal('kept', place)
  const moved = await createSealer([service(), own]).rewrap(sealed, place)
  expect(await process().open(moved, place)).toBe('kept')
  const back = await createSealer([own, service()]).rewrap(moved, place)
  expect(await createSealer([own]).open(back, place)).toBe('kept')
})

test.each(['', 'x', 'vault:v1:AAAA', '~', 'vault:v1:AAAA~', 'vault:v1:AAAA~AA~AA', 'local~AAAA'])(
  'a wrapped key %j is none, and nobody is asked about one that cannot be',
  async (wrapped) => {
    const [, , , payload = ''] = (await process().seal('x', place)).split('.')
    await expect(process().open(`v1.coatcheck.${wrapped}.${payload}`, place)).rejects.toThrow(SealError)
  },
)
