import { isJson, type Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { pageOptions, queryOf, segment } from './input.ts'
import { member, receiptOf, table, time, wordsOf } from './show.ts'

const pathOf = ({ argument }: Call) => `/subjects/${segment(argument('ID'))}`

const identities =
  (shown: string) =>
  (subject: Json): string => {
    const all = Array.isArray(subject.identities) ? subject.identities.filter(isJson) : []
    return all.map((identity) => wordsOf(identity[shown])).join(' ')
  }

const change =
  (enabled: 'enabled' | 'disabled') =>
  async (call: Call): Promise<Answer> => {
    const json = await call.api()('PATCH', pathOf(call), { enabled: enabled === 'enabled' })
    return { text: `${wordsOf(json.id)} is ${enabled}.`, json }
  }

export const subjectCommands: readonly Command[] = [
  {
    name: 'subject list',
    arguments: [],
    summary: 'the people who signed in here, the youngest first',
    options: {
      email: { value: 'EMAIL', help: 'with this address' },
      label: { value: 'LABEL', help: 'with this name at a provider' },
      provider: { value: 'ID', help: 'who sign in there' },
      enabled: { value: 'true|false', help: 'only those, or the others' },
      ...pageOptions,
      ...apiOptions,
    },
    examples: ['coatcheck subject list --email ada@example.com'],
    run: async (call) => {
      const query = queryOf(call, {
        email: 'email',
        label: 'label',
        provider: 'provider',
        enabled: 'enabled',
      })
      return table(
        await call.api()('GET', `/subjects${query}`),
        [
          ['ID', member('id')],
          ['PROVIDER', identities('provider')],
          ['LABEL', identities('label')],
          ['ENABLED', member('enabled')],
          ['LAST SEEN', time('last_seen_at')],
        ],
        'Nobody.',
      )
    },
  },
  {
    name: 'subject enable',
    arguments: ['ID'],
    summary: 'let somebody in again',
    options: apiOptions,
    examples: ['coatcheck subject enable sub_0123'],
    run: change('enabled'),
  },
  {
    name: 'subject disable',
    arguments: ['ID'],
    summary: 'sign somebody out everywhere and hand out nothing of theirs',
    options: apiOptions,
    examples: ['coatcheck subject disable sub_0123'],
    run: change('disabled'),
  },
  {
    name: 'subject delete',
    arguments: ['ID'],
    summary: 'delete somebody with their sessions and connections',
    options: apiOptions,
    examples: ['coatcheck subject delete sub_0123'],
    run: async (call) => receiptOf(await call.api()('DELETE', pathOf(call))),
  },
]
