import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { report } from './finding.ts'
import { bodyOf, fileOption, listOf, pairOf, pairsOf, segment } from './input.ts'
import { checkedFindings } from './provider-words.ts'
import { member, receiptOf, record, table, wordsOf } from './show.ts'
import { readSecret } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const pathOf = ({ argument }: Call) => `/providers/${segment(argument('ID'))}`

const admitRules: Readonly<Record<string, string>> = {
  'email-domain': 'email_domains',
  'hosted-domain': 'hosted_domains',
  tenant: 'tenants',
  subject: 'subjects',
}

/** `anyone`, or rules of the form `email-domain=example.com`, each as often as needed. */
export function admitOf(given: readonly string[]): unknown {
  if (given.length === 0) return undefined
  if (given.length === 1 && given[0] === 'anyone') return 'anyone'
  const rules: Record<string, string[]> = {}
  for (const [name, value] of given.map((text) => pairOf('admit', text))) {
    const rule = Object.hasOwn(admitRules, name) ? admitRules[name] : undefined
    if (rule === undefined) {
      throw new UsageError(`--admit knows anyone, or ${Object.keys(admitRules).join('=, ')}=`)
    }
    rules[rule] = [...(rules[rule] ?? []), value]
  }
  return rules
}

async function set(call: Call): Promise<Answer> {
  const { argument, text, list, isSet, terminal } = call
  const secretFile = text('client-secret-file')
  const body = bodyOf(call, {
    descriptor: text('descriptor') ?? (isSet('file') ? undefined : argument('ID')),
    client_id: text('client-id'),
    client_secret: secretFile === undefined ? undefined : readSecret(terminal, secretFile),
    variables: pairsOf(call, 'variable'),
    scopes: listOf(call, 'scope'),
    admit: admitOf(list('admit')),
    enabled: isSet('disabled') ? false : undefined,
  })
  const saved = await call.api()('PUT', pathOf(call), body)
  const ended = saved.connections_needing_reauthorization
  const lines = [
    `Provider ${wordsOf(saved.id)} is saved. Register this redirect URI there, to the letter:`,
    `  ${wordsOf(saved.redirect_uri)}`,
    ...(typeof ended === 'number' && ended > 0
      ? [`Connections that need reauthorization now: ${ended}.`]
      : []),
    `Then see whether it answers: coatcheck provider check ${wordsOf(saved.id)}`,
  ]
  return { text: lines.join('\n'), json: saved }
}

async function check(call: Call): Promise<Answer> {
  const found = await call.api()('POST', `${pathOf(call)}/check`)
  const told = checkedFindings({ id: call.argument('ID'), use: 'enabled' }, found)
  const text = report(told, call.terminal.screen)
  return { text, json: found, exitCode: found.ok === true ? 0 : 1 }
}

export const providerCommands: readonly Command[] = [
  {
    name: 'provider set',
    arguments: ['ID'],
    summary: 'register a provider, or replace what is registered; the stored secret stays unless given',
    options: {
      'client-id': { value: 'ID', help: 'of the application registered there' },
      'client-secret-file': { value: 'FILE', help: 'its secret; - is standard input' },
      descriptor: { value: 'NAME', help: 'a built-in descriptor; the provider’s id unless said' },
      variable: { value: 'NAME=URL', repeats: true, help: 'a base URL that differs' },
      scope: { value: 'SCOPE', repeats: true, help: 'all that may ever be asked for' },
      admit: {
        value: 'RULE',
        repeats: true,
        help: 'anyone, or email-domain=, hosted-domain=, tenant=, subject=',
      },
      disabled: { help: 'save it disabled' },
      ...fileOption,
      ...apiOptions,
    },
    examples: [
      'coatcheck provider set github --client-id Iv1.0123 --client-secret-file github.secret --admit email-domain=example.com',
    ],
    run: set,
  },
  {
    name: 'provider list',
    arguments: [],
    summary: 'all providers',
    options: apiOptions,
    examples: ['coatcheck provider list'],
    run: async ({ api }) =>
      table(
        await api()('GET', '/providers'),
        [
          ['ID', member('id')],
          ['CLIENT ID', member('client_id')],
          ['ENABLED', member('enabled')],
          ['ORIGIN', member('origin')],
          ['REDIRECT URI', member('redirect_uri')],
        ],
        'No provider yet: coatcheck provider set github --client-id ... --client-secret-file ...',
      ),
  },
  {
    name: 'provider show',
    arguments: ['ID'],
    summary: 'one provider, without its secret',
    options: apiOptions,
    examples: ['coatcheck provider show github'],
    run: async (call) => {
      const json = await call.api()('GET', pathOf(call))
      return { text: record(json), json }
    },
  },
  {
    name: 'provider check',
    arguments: ['ID'],
    summary: 'whether it can be used, as far as can be told without a person',
    options: apiOptions,
    examples: ['coatcheck provider check github'],
    run: check,
  },
  {
    name: 'provider delete',
    arguments: ['ID'],
    summary: 'delete it, its connections, and the sessions that draw on them',
    options: apiOptions,
    examples: ['coatcheck provider delete github'],
    run: async (call) => receiptOf(await call.api()('DELETE', pathOf(call))),
  },
]
