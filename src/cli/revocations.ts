import type { Command } from './command.ts'
import { apiOptions } from './command.ts'
import { pageOptions, queryOf } from './input.ts'
import { member, table, time } from './show.ts'

export const revocationCommands: readonly Command[] = [
  {
    name: 'revocation list',
    arguments: [],
    summary: 'what providers have yet to be told of what ended here, and why they were not',
    options: {
      subject: { value: 'ID', help: 'of this person' },
      provider: { value: 'ID', help: 'at this provider' },
      ...pageOptions,
      ...apiOptions,
    },
    examples: ['coatcheck revocation list --provider github'],
    run: async (call) =>
      table(
        await call.api()(
          'GET',
          `/upstream-revocations${queryOf(call, { subject: 'subject_id', provider: 'provider' })}`,
        ),
        [
          ['ID', member('id')],
          ['PROVIDER', member('provider')],
          ['SUBJECT', member('subject_id')],
          ['ATTEMPTS', member('attempts')],
          ['TROUBLE', member('trouble')],
          ['NEXT', time('next_at')],
          ['GIVEN UP', time('given_up_at')],
        ],
        'Nothing waits.',
      ),
  },
]
