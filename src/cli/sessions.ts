import type { Command } from './command.ts'
import { apiOptions } from './command.ts'
import { disconnectOption, disconnectQuery, pageOptions, queryOf, segment } from './input.ts'
import { member, receiptOf, table, time } from './show.ts'

export const sessionCommands: readonly Command[] = [
  {
    name: 'session list',
    arguments: [],
    summary: 'token sessions, the youngest first',
    options: {
      subject: { value: 'ID', help: 'of this person' },
      client: { value: 'CLIENT_ID', help: 'of this client' },
      resource: { value: 'ID', help: 'at this MCP server' },
      parent: { value: 'ID', help: 'exchanged from this session, by one MCP server for another' },
      state: { value: 'live|any', help: 'any: ended ones too' },
      ...pageOptions,
      ...apiOptions,
    },
    examples: ['coatcheck session list --subject sub_0123'],
    run: async (call) => {
      const names = {
        subject: 'subject_id',
        client: 'client_id',
        resource: 'resource_id',
        parent: 'parent_id',
        state: 'state',
      }
      return table(
        await call.api()('GET', `/token-sessions${queryOf(call, names)}`),
        [
          ['ID', member('id')],
          ['STATE', member('state')],
          ['SUBJECT', member('subject_id')],
          ['CLIENT', member('client_id')],
          ['RESOURCE', member('resource_id')],
          ['PARENT', member('parent_id')],
          ['LAST USED', time('last_used_at')],
        ],
        'No token session.',
      )
    },
  },
  {
    name: 'session end',
    arguments: ['ID'],
    summary: 'end a token session, with those exchanged from it; nothing more is handed out for them',
    options: { ...disconnectOption, ...apiOptions },
    examples: ['coatcheck session end 0123', 'coatcheck session end 0123 --disconnect'],
    run: async (call) =>
      receiptOf(
        await call.api()('DELETE', `/token-sessions/${segment(call.argument('ID'))}${disconnectQuery(call)}`),
      ),
  },
]
