import { verifyAll } from '../keys/inventory.ts'
import type { Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { withVault } from './offline.ts'
import { member, table, wordsOf } from './show.ts'

async function list({ api }: Call): Promise<Answer> {
  const answer = await api()('GET', '/master-keys')
  const shown = table(
    answer,
    [
      ['KEY', member('id')],
      ['STATE', member('state')],
      ['VALUES', member('total')],
      ['TO RESEAL', member('to_reseal')],
      ['MAY RETIRE', ({ may_retire: may }) => (may === true ? 'yes' : 'no')],
    ],
    'No master key.',
  )
  const reseal = answer.reseal ? [resealLine(answer.reseal as Json)] : []
  return { text: [shown.text, ...reseal].join('\n'), json: answer }
}

function resealLine({ state, master_key_id: id, resealed, unopened }: Json): string {
  const left = Number(unopened) > 0 ? `; ${unopened} do not open: coatcheck keys verify says which` : ''
  const what = state === 'finished' ? 'was wrapped' : 'is being wrapped'
  return `Everything ${what} by ${wordsOf(id)}: ${resealed} values so far${left}.`
}

async function reseal({ api }: Call): Promise<Answer> {
  const json = await api()('POST', '/master-keys/reseal', {})
  const text = `Everything sealed will be wrapped by ${wordsOf(json.master_key_id)}; coatcheck keys list shows how far that is.`
  return { text, json }
}

async function retire({ api, argument }: Call): Promise<Answer> {
  const id = argument('KEY')
  const json = await api()('DELETE', `/master-keys/${encodeURIComponent(id)}`)
  const text = `${id} is needed no more: take it out of the configuration, once no copy of the database needs it either.`
  return { text, json }
}

/** Names where a value is, and nothing of what it holds. */
async function verify({ terminal }: Call): Promise<Answer> {
  const { values, unopened } = await withVault(terminal, verifyAll)
  const lines = unopened.map(({ table: where, column, row, reason }) => {
    const why = reason === 'no_key' ? 'its master key is not here' : 'damaged, or moved from elsewhere'
    return `  ${where}.${column} of ${JSON.stringify(row)}: ${why}`
  })
  const text =
    lines.length === 0
      ? `All ${values} sealed values open.`
      : [`Of ${values} sealed values, ${lines.length} do not open:`, ...lines].join('\n')
  return { text, json: { values, unopened }, exitCode: lines.length === 0 ? 0 : 1 }
}

export const masterKeyCommands: readonly Command[] = [
  {
    name: 'keys list',
    arguments: [],
    summary: 'the master keys, and how much each still wraps',
    options: apiOptions,
    examples: ['coatcheck keys list'],
    run: list,
  },
  {
    name: 'keys reseal',
    arguments: [],
    summary: 'have everything sealed wrapped by the first master key',
    options: apiOptions,
    examples: ['coatcheck keys reseal'],
    run: reseal,
  },
  {
    name: 'keys retire',
    arguments: ['KEY'],
    summary: 'let go of a master key that wraps nothing',
    options: apiOptions,
    examples: ['coatcheck keys retire k1'],
    run: retire,
  },
  {
    name: 'keys verify',
    arguments: [],
    summary: 'whether every sealed value in the database opens',
    options: {},
    examples: ['coatcheck keys verify'],
    run: verify,
  },
]
