import type { Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { rotateOffline } from './gateway.ts'
import { member, table, time, timeOf, wordsOf } from './show.ts'

async function rotate(call: Call): Promise<Answer> {
  if (call.isSet('offline')) return rotated(await rotateOffline(call.terminal))
  return rotated(await call.api()('POST', '/signing-keys/rotate', { emergency: call.isSet('emergency') }))
}

function rotated(json: Json): Answer {
  const text = `Key ${wordsOf(json.kid)} is published now; it signs from ${timeOf(json.active_at)}.`
  return { text, json }
}

export const keyCommands: readonly Command[] = [
  {
    name: 'key list',
    arguments: [],
    summary: 'the signing keys and what they do',
    options: apiOptions,
    examples: ['coatcheck key list'],
    run: async ({ api }) =>
      table(
        await api()('GET', '/signing-keys'),
        [
          ['KID', member('kid')],
          ['STATE', member('state')],
          ['CREATED', time('created_at')],
          ['SIGNS FROM', time('active_at')],
          ['RETIRES', time('retires_at')],
        ],
        'No signing key.',
      ),
  },
  {
    name: 'key rotate',
    arguments: [],
    summary: 'put a new signing key after the present one',
    options: {
      emergency: { help: 'a key leaked: what it signed counts no more, at once' },
      offline: { help: 'with no gateway running: opens the database itself' },
      ...apiOptions,
    },
    examples: ['coatcheck key rotate', 'coatcheck key rotate --emergency'],
    run: rotate,
  },
]
