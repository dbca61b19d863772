import { isJson, type Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { inResource, listOf, segment } from './input.ts'
import { member, receiptOf, table, wordsOf } from './show.ts'
import { UsageError } from './usage-error.ts'

function numberOf({ text }: Call, option: string): number | undefined {
  const given = text(option)
  if (given !== undefined && !/^\d{1,10}$/.test(given)) throw new UsageError(`--${option} needs a number`)
  return given === undefined ? undefined : Number(given)
}

async function limit(call: Call): Promise<Answer> {
  const { text } = call
  const json = await call.api()('POST', inResource(call, 'quotas'), {
    limit: numberOf(call, 'limit'),
    window: text('window'),
    per: text('per') ?? 'subject',
    role: text('role'),
    tools: listOf(call, 'tool'),
  })
  return { text: `${quotaWords(json)}: ${wordsOf(json.id)}.`, json }
}

const quotaWords = ({ limit: calls, window, per }: Json) =>
  `${wordsOf(calls)} calls a ${wordsOf(window)} for each ${wordsOf(per)}`

function useWords({ use, limit: calls }: Json): string {
  if (!isJson(use)) return '-'
  return `${wordsOf(use.most)} of ${wordsOf(calls)}, ${wordsOf(use.calls)} in all`
}

export const quotaCommands: readonly Command[] = [
  {
    name: 'quota create',
    arguments: ['ID'],
    summary: 'limit how often the tools of an MCP server may be called',
    options: {
      limit: { value: 'N', help: 'calls in each window' },
      window: { value: 'minute|hour|day|month', help: 'of the calendar, in UTC' },
      per: { value: 'subject|client|role|resource', help: 'what each count is of; subject unless said' },
      role: { value: 'ROLE', help: 'only for who holds it' },
      tool: { value: 'TOOL', repeats: true, help: 'only these, counted together; all unless said' },
      ...apiOptions,
    },
    examples: ['coatcheck quota create notes --limit 100 --window hour --tool search'],
    run: limit,
  },
  {
    name: 'quota list',
    arguments: ['ID'],
    summary: 'how often the tools of an MCP server may be called, and how often they were',
    options: apiOptions,
    examples: ['coatcheck quota list notes'],
    run: async (call) =>
      table(
        await call.api()('GET', inResource(call, 'quotas')),
        [
          ['QUOTA', member('id')],
          ['LIMIT', quotaWords],
          ['ROLE', member('role')],
          ['TOOLS', member('tools')],
          ['FULLEST NOW', useWords],
        ],
        'No quota.',
      ),
  },
  {
    name: 'quota delete',
    arguments: ['ID', 'QUOTA'],
    summary: 'take a limit away',
    options: apiOptions,
    examples: ['coatcheck quota delete notes quota_0123'],
    run: async (call) =>
      receiptOf(
        await call.api()('DELETE', `${inResource(call, 'quotas')}/${segment(call.argument('QUOTA'))}`),
      ),
  },
]
