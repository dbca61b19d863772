import { afterAll, beforeAll, expect, test } from 'vitest'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(async () => await gateway.stop())

test('an administrator is made, comes by name, and is disabled and enabled', async () => {
  const cli = coatcheckAt(gateway)
  const ada = ['--user', 'ada', '--password-file', 'p', '--url', gateway.url]
  const files = { p: 'correct horse battery\n' }

  const created = await cli(['admin', 'create', 'ada', '--role', 'read'], { input: 'correct horse battery' })
  expect(created).toMatchObject({ exitCode: 0, out: expect.stringContaining('ada may read') })
  expect((await coatcheck(['provider', 'list', ...ada], { files })).exitCode).toBe(0)
  const refused = await coatcheck(['key', 'rotate', ...ada], { files })
  expect(refused).toMatchObject({ exitCode: 1, err: 'Coatcheck: This administrator may only read' })

  expect(
    (
      await cli(['admin', 'password', 'ada', '--new-password-file', 'n'], {
        files: { n: 'another password' },
      })
    ).exitCode,
  ).toBe(0)
  expect((await coatcheck(['provider', 'list', ...ada], { files })).exitCode).toBe(1)
  const present = { files: { p: 'another password' } }
  expect((await coatcheck(['provider', 'list', ...ada], present)).exitCode).toBe(0)

  expect((await cli(['admin', 'disable', 'ada'])).out).toBe('Administrator ada is disabled.')
  expect((await cli(['admin', 'list'])).out).toMatch(/ada +read +no/)
  expect((await coatcheck(['provider', 'list', ...ada], present)).exitCode).toBe(1)
  expect((await cli(['admin', 'enable', 'ada'])).out).toBe('Administrator ada is enabled.')
  expect((await coatcheck(['provider', 'list', ...ada], present)).exitCode).toBe(0)
  expect((await cli(['admin', 'delete', 'ada'])).out).toContain('Deleted administrator ada')
})

test('a role is asked for, and a short password is refused', async () => {
  const cli = coatcheckAt(gateway)
  expect((await cli(['admin', 'create', 'bob'], { input: 'correct horse battery' })).exitCode).toBe(2)
  const short = await cli(['admin', 'create', 'bob', '--role', 'read'], { input: 'short' })
  expect(short).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('/password: must have 12 characters'),
  })
})
