import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shown } from '../../src/cli/test.ts'
import {
  atPath,
  issuer,
  mcpServer,
  places,
  type Said,
  soundMcpServer,
  soundMetadata,
  soundResource,
  soundServer,
  testIn,
  type World,
} from '../support/tested-world.ts'

const urls = fc.constantFrom(
  'javascript:alert(1)',
  'file:///etc/passwd',
  'https://auth.example?x#y',
  'http://[::1]:1/a',
  'https://user:pass@auth.example',
  'data:,x',
  'https://auth.example/\x1b]0;title\x07',
  '',
  '/relative',
  issuer,
)
const anything = fc.oneof(urls, fc.jsonValue({ maxDepth: 2 }), fc.array(urls), fc.string())

/** A document some of whose members are anything at all, or one that is anything itself. */
const documentLike = (sound: object) =>
  fc.oneof(
    fc
      .dictionary(fc.constantFrom(...Object.keys(sound), '__proto__', 'constructor'), anything)
      .map((change) => ({ ...sound, ...change })),
    anything,
  )

const names = ['content-type', 'cache-control', 'www-authenticate', 'location', 'access-control-allow-origin']
const headerValue = fc
  .oneof(
    fc.string({ maxLength: 60 }),
    fc.constantFrom('Bearer a="', 'Bearer realm=x, realm=y', ',', 'max-age=1e9', '//', 'http://['),
    urls,
  )
  .map((text) => text.replaceAll(/[^\x20-\x7E]/g, '').trim())
const anyAnswer: fc.Arbitrary<Said> = fc
  .oneof(
    fc.constant('nothing' as const),
    fc.record({
      status: fc.constantFrom(200, 201, 204, 301, 307, 400, 401, 403, 404, 405, 500, 503),
      headers: fc.dictionary(fc.constantFrom(...names), headerValue),
      body: fc.oneof(documentLike(soundMetadata), fc.string()),
    }),
  )
  .map((said) => (said !== 'nothing' && said.status === 204 ? { status: 204, headers: said.headers } : said))

const anywhere = fc.dictionary(
  fc.constantFrom(...Object.keys({ ...soundServer(), ...soundMcpServer() }), 'GET https://auth.example/*'),
  anyAnswer,
)
const worlds: fc.Arbitrary<World> = fc
  .tuple(documentLike(soundMetadata), documentLike(soundResource), anywhere)
  .map(([metadata, resource, over]) => ({
    ...soundServer(metadata),
    ...soundMcpServer(resource),
    ...over,
  }))

const screen = { columns: 80, isColored: false }

test('whatever servers answer, it is a finding, and can be printed', async () => {
  const targets = fc.constantFrom(issuer, mcpServer, places.openIdAppended, atPath)
  await fc.assert(
    fc.asyncProperty(worlds, targets, async (world, url) => {
      const { tested, ok } = await testIn(world, url, { registering: 'register' })
      const checks = tested.flatMap((each) => each.checks)
      expect(ok).toBe(checks.every(({ kind }) => kind !== 'error'))
      expect(shown({ ok, tested }, screen)).toMatch(/^[\n\x20-\x7E\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u)
      for (const each of tested)
        expect(new Set(each.checks.map(({ code }) => code)).size).toBe(each.checks.length)
    }),
    { numRuns: 300 },
  )
})

/** JSON, a member of which is nested deeper than any stack goes. */
function nestedAt(document: object, member: string): string {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  return JSON.stringify({ ...document, [member]: 'deep' }).replace('"deep"', `[${deep}]`)
}

test.each([
  ['issuer', soundMetadata, places.inserted],
  ['resource', soundResource, atPath],
  ['authorization_servers', soundResource, atPath],
] as const)('%s that is nested without end is a finding', async (member, document, at) => {
  const body = nestedAt(document, member)
  const over: World = { [`GET ${at}`]: { headers: { 'content-type': 'application/json' }, body } }
  const url = at === atPath ? mcpServer : issuer
  const tested = await testIn({ ...soundServer(), ...soundMcpServer(), ...over }, mcpServer)
  const about = tested.tested.find((each) => each.url === url)
  expect(about?.checks).toContainEqual(expect.objectContaining({ code: member, kind: 'error' }))
})
