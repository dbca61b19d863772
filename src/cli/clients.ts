import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import {
  bodyOf,
  disconnectOption,
  disconnectQuery,
  fileOption,
  listOf,
  pageOptions,
  queryOf,
  segment,
} from './input.ts'
import { member, receiptOf, record, table, time, wordsOf } from './show.ts'

const pathOf = ({ argument }: Call) => `/clients/${segment(argument('CLIENT_ID'))}`

async function create(call: Call): Promise<Answer> {
  const { text, isSet } = call
  const body = bodyOf(call, {
    client_name: text('name'),
    redirect_uris: listOf(call, 'redirect-uri'),
    token_endpoint_auth_method: isSet('public') ? 'none' : text('auth-method'),
    trusted: isSet('trusted') || undefined,
  })
  const json = await call.api()('POST', '/clients', body)
  const secret = json.client_secret
  const lines = [
    `client id      ${wordsOf(json.client_id)}`,
    ...(typeof secret === 'string'
      ? [`client secret  ${secret}`, 'The secret is shown this once; what is stored is a hash.']
      : ['It is public: it has no secret.']),
  ]
  return { text: lines.join('\n'), json }
}

const change =
  (enabled: 'enabled' | 'disabled') =>
  async (call: Call): Promise<Answer> => {
    const json = await call.api()('PATCH', pathOf(call), { enabled: enabled === 'enabled' })
    return { text: `Client ${wordsOf(json.client_id)} is ${enabled}.`, json }
  }

export const clientCommands: readonly Command[] = [
  {
    name: 'client create',
    arguments: [],
    summary: 'register an MCP client ahead; its secret is shown this once',
    options: {
      name: { value: 'NAME', help: 'what people read' },
      'redirect-uri': { value: 'URI', repeats: true, help: 'where it gets its answers' },
      public: { help: 'it can keep no secret' },
      'auth-method': { value: 'METHOD', help: 'client_secret_basic (unless said) or client_secret_post' },
      trusted: { help: 'a remembered consent may skip the page' },
      ...fileOption,
      ...apiOptions,
    },
    examples: [
      'coatcheck client create --name Editor --redirect-uri https://editor.example.com/callback --trusted',
    ],
    run: create,
  },
  {
    name: 'client list',
    arguments: [],
    summary: 'clients, the youngest first',
    options: {
      origin: { value: 'ORIGIN', help: 'admin, config, dynamic or document' },
      ...pageOptions,
      ...apiOptions,
    },
    examples: ['coatcheck client list --origin dynamic'],
    run: async (call) =>
      table(
        await call.api()('GET', `/clients${queryOf(call, { origin: 'origin' })}`),
        [
          ['CLIENT ID', member('client_id')],
          ['NAME', member('client_name')],
          ['ORIGIN', member('origin')],
          ['TRUSTED', member('trusted')],
          ['ENABLED', member('enabled')],
          ['LAST USED', time('last_used_at')],
        ],
        'No client is known here.',
      ),
  },
  {
    name: 'client show',
    arguments: ['CLIENT_ID'],
    summary: 'one client',
    options: apiOptions,
    examples: ['coatcheck client show client_0123'],
    run: async (call) => {
      const json = await call.api()('GET', pathOf(call))
      return { text: record(json), json }
    },
  },
  {
    name: 'client enable',
    arguments: ['CLIENT_ID'],
    summary: 'let it in again',
    options: apiOptions,
    examples: ['coatcheck client enable client_0123'],
    run: change('enabled'),
  },
  {
    name: 'client disable',
    arguments: ['CLIENT_ID'],
    summary: 'keep it out; its sessions go on once it is enabled again',
    options: apiOptions,
    examples: ['coatcheck client disable client_0123'],
    run: change('disabled'),
  },
  {
    name: 'client delete',
    arguments: ['CLIENT_ID'],
    summary: 'delete it and end its sessions',
    options: { ...disconnectOption, ...apiOptions },
    examples: ['coatcheck client delete client_0123'],
    run: async (call) => receiptOf(await call.api()('DELETE', `${pathOf(call)}${disconnectQuery(call)}`)),
  },
]
