import { systemClock } from '../lib/clock.ts'
import { isJson, type Json } from './admin-api.ts'
import type { Command } from './command.ts'
import { apiOptions } from './command.ts'
import { pageOptions, queryOf, segment, spanIn } from './input.ts'
import { member, receiptOf, table, time, wordsOf } from './show.ts'

const account = ({ account: at }: Json) => (isJson(at) ? wordsOf(at.label) : '-')

export const connectionCommands: readonly Command[] = [
  {
    name: 'connection list',
    arguments: [],
    summary: 'people’s connections to providers, the youngest first',
    options: {
      subject: { value: 'ID', help: 'of this person' },
      provider: { value: 'ID', help: 'at this provider' },
      status: { value: 'STATUS', help: 'live or needs_reauthorization' },
      'ends-within': { value: 'SPAN', help: 'that end within 7d (or 12h, 4w) whatever is done' },
      ...pageOptions,
      ...apiOptions,
    },
    examples: [
      'coatcheck connection list --provider github --status needs_reauthorization',
      'coatcheck connection list --ends-within 7d',
    ],
    run: async (call) => {
      const names = { subject: 'subject_id', provider: 'provider', status: 'status' }
      const span = call.text('ends-within')
      const ending: Record<string, string> =
        span === undefined ? {} : { ends_before: String(systemClock() + spanIn('ends-within', span)) }
      return table(
        await call.api()('GET', `/connections${queryOf(call, names, ending)}`),
        [
          ['ID', member('id')],
          ['PROVIDER', member('provider')],
          ['ACCOUNT', account],
          ['SUBJECT', member('subject_id')],
          ['STATUS', member('status')],
          ['REASON', member('status_reason')],
          ['LAST USED', time('last_used_at')],
          ['ENDS', time('ends_at')],
        ],
        'No connection.',
      )
    },
  },
  {
    name: 'connection delete',
    arguments: ['ID'],
    summary: 'delete one, here and at its provider, and end the token sessions that draw on it',
    options: apiOptions,
    examples: ['coatcheck connection delete con_0123'],
    run: async ({ api, argument }) =>
      receiptOf(await api()('DELETE', `/connections/${segment(argument('ID'))}`)),
  },
]
