import { atOnce } from '../tokens/signing-key-ring.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { rotateOffline } from './gateway.ts'
import { member, table, time, timeOf, wordsOf } from './show.ts'

async function rotate(call: Call): Promise<Answer> {
  const emergency = call.isSet('emergency')
  const json = call.isSet('offline')
    ? await rotateOffline(call.terminal, emergency ? atOnce : undefined)
    : await call.api()('POST', '/signing-keys/rotate', { emergency })
  const end = emergency ? ' Nothing that was signed before counts any more.' : ''
  const text = `Key ${wordsOf(json.kid)} is published now; it signs from ${timeOf(json.active_at)}.${end}`
  return { text, json }
}

async function remove({ api, argument }: Call): Promise<Answer> {
  const kid = argument('KID')
  const json = await api()('DELETE', `/signing-keys/${encodeURIComponent(kid)}`)
  const successor = json.successor ? ` Key ${wordsOf(json.successor)} was made in its place.` : ''
  return { text: `Nothing that ${kid} signed counts any more.${successor}`, json }
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
    examples: [
      'coatcheck key rotate',
      'coatcheck key rotate --emergency',
      'coatcheck key rotate --offline --emergency',
    ],
    run: rotate,
  },
  {
    name: 'key remove',
    arguments: ['KID'],
    summary: 'take a signing key that leaked out of the published set, at once',
    options: apiOptions,
    examples: ['coatcheck key remove yfP0OoXbKhGkk8gvG7pRnP3fUzeH3xO1fyGZd3sV2Vw'],
    run: remove,
  },
]
