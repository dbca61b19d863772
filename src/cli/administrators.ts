import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { segment } from './input.ts'
import { member, receiptOf, table, time, wordsOf } from './show.ts'
import { readSecret } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const pathOf = ({ argument }: Call) => `/administrators/${segment(argument('NAME'))}`

const newPassword = {
  'new-password-file': { value: 'FILE', help: 'the password, 12 characters or more; asked for unless said' },
}

/** From a file, or typed twice. */
async function choosePassword({ text, argument, terminal }: Call): Promise<string> {
  const file = text('new-password-file')
  if (file !== undefined) return readSecret(terminal, file)
  const password = await terminal.askSecret(`New password of ${argument('NAME')}: `)
  if (terminal.isInteractive && password !== (await terminal.askSecret('Once more: '))) {
    throw new UsageError('the two passwords differ')
  }
  return password
}

async function create(call: Call): Promise<Answer> {
  const role = call.text('role')
  if (role === undefined) throw new UsageError('--role is read or write')
  const body = { name: call.argument('NAME'), role, password: await choosePassword(call) }
  const json = await call.api()('POST', '/administrators', body)
  const text = `Administrator ${wordsOf(json.name)} may ${wordsOf(json.role)}: coatcheck provider list --user ${wordsOf(json.name)}`
  return { text, json }
}

const change =
  (enabled: 'enabled' | 'disabled') =>
  async (call: Call): Promise<Answer> => {
    const json = await call.api()('PATCH', pathOf(call), { enabled: enabled === 'enabled' })
    return { text: `Administrator ${wordsOf(json.name)} is ${enabled}.`, json }
  }

export const administratorCommands: readonly Command[] = [
  {
    name: 'admin create',
    arguments: ['NAME'],
    summary: 'add a named administrator, who signs in with --user and a password',
    options: { role: { value: 'read|write', help: 'what they may' }, ...newPassword, ...apiOptions },
    examples: ['coatcheck admin create ada --role write'],
    run: create,
  },
  {
    name: 'admin list',
    arguments: [],
    summary: 'the named administrators',
    options: apiOptions,
    examples: ['coatcheck admin list'],
    run: async ({ api }) =>
      table(
        await api()('GET', '/administrators'),
        [
          ['NAME', member('name')],
          ['ROLE', member('role')],
          ['ENABLED', member('enabled')],
          ['CREATED', time('created_at')],
          ['LAST SEEN', time('last_seen_at')],
        ],
        'Nobody but who holds the token: coatcheck admin create NAME --role read',
      ),
  },
  {
    name: 'admin enable',
    arguments: ['NAME'],
    summary: 'let an administrator in again',
    options: apiOptions,
    examples: ['coatcheck admin enable ada'],
    run: change('enabled'),
  },
  {
    name: 'admin disable',
    arguments: ['NAME'],
    summary: 'keep an administrator out, from the next request on',
    options: apiOptions,
    examples: ['coatcheck admin disable ada'],
    run: change('disabled'),
  },
  {
    name: 'admin password',
    arguments: ['NAME'],
    summary: 'give an administrator another password; the old one is good for nothing at once',
    options: { ...newPassword, ...apiOptions },
    examples: ['coatcheck admin password ada --new-password-file -'],
    run: async (call) => {
      const json = await call.api()('PATCH', pathOf(call), { password: await choosePassword(call) })
      return { text: `Administrator ${wordsOf(json.name)} has another password.`, json }
    },
  },
  {
    name: 'admin delete',
    arguments: ['NAME'],
    summary: 'delete an administrator; what they did stays in the record',
    options: apiOptions,
    examples: ['coatcheck admin delete ada'],
    run: async (call) => receiptOf(await call.api()('DELETE', pathOf(call))),
  },
]
