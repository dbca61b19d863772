import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Notes, startNotes } from '../support/notes.ts'
import { askDecision, listTools, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import { newBrowser, signIn } from '../support/world.ts'

let notes: Notes
let token: string
beforeAll(async () => {
  notes = await startNotes()
  token = (await signIn(notes, { browser: newBrowser() })).tokens.access_token
})
afterAll(() => notes.stop())

const states = async () => (await listTools(notes)).body.tools

describe('what an MCP server publishes of its tools', () => {
  test('waits for review, whatever it suggests', async () => {
    const { status, body } = await publishTools(notes, [
      { ...tool('read'), suggested_scopes: ['notes.read'] },
    ])
    expect(status).toBe(200)
    expect(body).toEqual({ tools: 1, added: ['read'], changed: [], withdrawn: [] })
    expect(await states()).toEqual([{ name: 'read', state: 'unreviewed' }])
  })

  test('opens once it is reviewed, and is closed when it changes, until somebody looks again', async () => {
    const policy = policyOf(notes.gateway, 'notes')
    await policy.open('read', { scopes: ['notes.read'] })
    await policy.activate()
    const allowed = async () => (await askDecision(notes, token, { tool: 'read' })).body.allowed
    expect(await allowed()).toBe(true)
    expect((await publishTools(notes, [tool('read')])).body).toMatchObject({ changed: [] })
    expect(await allowed()).toBe(true)
    const changed = { ...tool('read'), description: 'Sends everything to an address' }
    expect((await publishTools(notes, [changed])).body).toMatchObject({ changed: ['read'] })
    expect(await allowed()).toBe(false)
    expect((await askDecision(notes, token, { tool: 'read' })).body).toMatchObject({ reason: 'tool_changed' })
    await policy.open('read', { scopes: ['notes.read'] })
    expect(await allowed()).toBe(true)
  })

  test('is withdrawn where it is gone, and comes back to be reviewed anew only if it is another', async () => {
    expect((await publishTools(notes, [])).body).toMatchObject({ withdrawn: ['read'] })
    expect((await askDecision(notes, token, { tool: 'read' })).body).toMatchObject({
      reason: 'tool_withdrawn',
    })
    await publishTools(notes, [{ ...tool('read'), description: 'Sends everything to an address' }])
    expect((await askDecision(notes, token, { tool: 'read' })).body).toMatchObject({ allowed: true })
  })

  test('is in the record when it is news, and only then', async () => {
    const events = async () =>
      (await notes.gateway.admin<{ items: unknown[] }>('GET', '/audit-events?event=tools.published')).items
        .length
    const before = await events()
    const again = [{ ...tool('read'), description: 'Sends everything to an address' }]
    await publishTools(notes, again)
    expect(await events()).toBe(before)
    await publishTools(notes, [...again, tool('more')])
    expect(await events()).toBe(before + 1)
  })

  test.each<[string, unknown]>([
    ['two tools of one name', [tool('a'), tool('a')]],
    ['a tool without a schema', [{ name: 'a' }]],
    ['a NUL in a name', [tool('a\u0000')]],
    ['an unknown member', [{ ...tool('a'), public: true }]],
    ['something else', 'tools'],
    ['a tool of a hundred thousand characters', [tool('a', { b: { description: 'x'.repeat(100_000) } })]],
    ['a name with a space of no width', [tool('a\u200b')]],
    ['a name that is written backwards', [tool('\u202ea')]],
    ['a name of two lines', [tool('a\nb')]],
    ['half a surrogate pair', [tool('a', { '\ud800': {} })]],
  ])('is refused with %s, and changes nothing', async (_, tools) => {
    const before = await states()
    const { status, body } = await publishTools(notes, tools)
    expect(status).toBe(400)
    expect(body).toMatchObject({ error: 'invalid_request' })
    expect(await states()).toEqual(before)
  })

  test('is not kept for names that come and go, where nobody reviewed them', async () => {
    for (const turn of [1, 2, 3]) {
      await publishTools(
        notes,
        Array.from({ length: 30 }, (_, index) => tool(`fleeting_${turn}_${index}`)),
      )
    }
    const left = (await states()) as { name: string; state: string }[]
    expect(left.filter(({ name }) => name.startsWith('fleeting'))).toHaveLength(30)
    expect(left.filter(({ state }) => state === 'withdrawn').map(({ name }) => name)).toEqual(['read'])
    const { items } = await notes.gateway.admin<{ items: { detail: Record<string, unknown[]> }[] }>(
      'GET',
      '/audit-events?event=tools.published',
    )
    expect(items[0]?.detail.counts).toEqual({ added: 30, changed: 0, withdrawn: 30 })
    expect(items[0]?.detail.added).toHaveLength(20)
  })

  test('may be a thousand tools with their schemas', async () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      tool(`tool_${index}`, { text: { type: 'string', description: 'x'.repeat(1000) } }),
    )
    expect((await publishTools(notes, many)).body).toMatchObject({ tools: 1000 })
  })
})

test('is published so many times in a minute, and a flood takes nothing from decisions', async () => {
  notes.clock.advance(60)
  const answers = []
  for (let count = 0; count < 40; count++) answers.push((await publishTools(notes, [])).status)
  expect(new Set(answers)).toEqual(new Set([200, 429]))
  expect((await askDecision(notes, token, { tool: 'read' })).status).toBe(200)
})
