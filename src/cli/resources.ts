import type { Answer, Call, Command } from './command.ts'
import { apiOptions } from './command.ts'
import { bodyOf, fileOption, listOf, pairsOf, secondsOf, segment } from './input.ts'
import { member, receiptOf, record, table, time, wordsOf } from './show.ts'
import { UsageError } from './usage-error.ts'

const pathOf = ({ argument }: Call) => `/resources/${segment(argument('ID'))}`

/** `github:repo,read:org`, with `:optional` at its end where people may go without. */
export function providerAccess(text: string) {
  const [, provider, scopes = '', optional] = /^([^:]+)(?::(.*?))??(:optional)?$/.exec(text) ?? []
  if (provider === undefined) throw new UsageError('--provider needs the form github:repo,read:org')
  return {
    provider,
    scopes: scopes.split(',').filter((scope) => scope !== ''),
    ...(optional !== undefined && { required: false }),
  }
}

/** `agenda:events.read=notes.read,notes.write`, each caller as often as it has scopes that open some. */
export function callersOf(texts: readonly string[]) {
  const callers = new Map<string, Record<string, string[]>>()
  for (const text of texts) {
    const [, resource, scope, opened] = /^([^:]+):([^=]+)=(.*)$/.exec(text) ?? []
    if (resource === undefined || scope === undefined || opened === undefined) {
      throw new UsageError('--caller needs the form agenda:events.read=notes.read,notes.write')
    }
    const scopes = opened.split(',').filter((each) => each !== '')
    callers.set(resource, { ...callers.get(resource), [scope]: scopes })
  }
  return [...callers].map(([resource, opens]) => ({ resource, for: opens }))
}

async function set(call: Call): Promise<Answer> {
  const { text, list, isSet } = call
  const providers = list('provider').map((given) => providerAccess(given))
  const callers = callersOf(list('caller'))
  const body = bodyOf(call, {
    resource: text('uri'),
    name: text('name'),
    scopes: pairsOf(call, 'scope'),
    default_scopes: listOf(call, 'default-scope'),
    providers: providers.length === 0 ? undefined : providers,
    callers: callers.length === 0 ? undefined : callers,
    sign_in: listOf(call, 'sign-in'),
    require_user_token: isSet('require-user-token') || undefined,
    offline_retrieval: secondsOf(call, 'offline-retrieval'),
    access: text('access'),
    default: isSet('default') || undefined,
    enabled: isSet('disabled') ? false : undefined,
  })
  const json = await call.api()('PUT', pathOf(call), body)
  const id = wordsOf(json.id)
  const lines = [
    `MCP server ${id} is saved; its access tokens are for ${wordsOf(json.resource)}.`,
    `What it authenticates with here: coatcheck resource credential create ${id}`,
  ]
  return { text: lines.join('\n'), json }
}

async function createCredential(call: Call): Promise<Answer> {
  const json = await call.api()('POST', `${pathOf(call)}/credentials`, {})
  const lines = [
    `client id      ${wordsOf(json.client_id)}`,
    `client secret  ${wordsOf(json.client_secret)}`,
    'The secret is shown this once; what is stored is a hash. Give both to the MCP server.',
  ]
  return { text: lines.join('\n'), json }
}

export const resourceCommands: readonly Command[] = [
  {
    name: 'resource set',
    arguments: ['ID'],
    summary: 'register an MCP server, or replace what is registered',
    options: {
      uri: { value: 'URL', help: 'what clients name it by, and the audience of its tokens' },
      name: { value: 'NAME', help: 'what people read' },
      scope: { value: 'NAME=WORDS', repeats: true, help: 'a scope of its own, and a sentence for people' },
      'default-scope': { value: 'NAME', repeats: true, help: 'asked for where a client asks for none' },
      provider: {
        value: 'ID:SCOPES',
        repeats: true,
        help: 'what it may have there: github:repo,read:org[:optional]',
      },
      caller: {
        value: 'ID:SCOPE=SCOPES',
        repeats: true,
        help: 'an MCP server that may call it for people, and what a scope of theirs there opens here',
      },
      'sign-in': {
        value: 'PROVIDER',
        repeats: true,
        help: 'people may sign in with; any it lists unless said',
      },
      'require-user-token': { help: 'hand out tokens only along with the person’s own' },
      'offline-retrieval': { value: 'SECONDS', help: 'for which it may go on without the person' },
      access: { value: 'everyone|bindings', help: 'who has its scopes; everyone unless said' },
      default: { help: 'the one for clients that name none' },
      disabled: { help: 'save it disabled' },
      ...fileOption,
      ...apiOptions,
    },
    examples: [
      "coatcheck resource set notes --uri https://notes.example.com/mcp --name Notes --scope 'notes.read=Read your notes' --default-scope notes.read --provider github:repo,read:org",
    ],
    run: set,
  },
  {
    name: 'resource list',
    arguments: [],
    summary: 'all MCP servers',
    options: apiOptions,
    examples: ['coatcheck resource list'],
    run: async ({ api }) =>
      table(
        await api()('GET', '/resources'),
        [
          ['ID', member('id')],
          ['NAME', member('name')],
          ['ENABLED', member('enabled')],
          ['ORIGIN', member('origin')],
          ['URI', member('resource')],
        ],
        'No MCP server yet: coatcheck resource set ID --uri https://... --name ...',
      ),
  },
  {
    name: 'resource show',
    arguments: ['ID'],
    summary: 'one MCP server',
    options: apiOptions,
    examples: ['coatcheck resource show notes'],
    run: async (call) => {
      const json = await call.api()('GET', pathOf(call))
      return { text: record(json), json }
    },
  },
  {
    name: 'resource delete',
    arguments: ['ID'],
    summary: 'delete it, its credentials and its sessions; people’s connections stay',
    options: apiOptions,
    examples: ['coatcheck resource delete notes'],
    run: async (call) => receiptOf(await call.api()('DELETE', pathOf(call))),
  },
  {
    name: 'resource credential create',
    arguments: ['ID'],
    summary: 'make what an MCP server authenticates with; the secret is shown this once',
    options: apiOptions,
    examples: ['coatcheck resource credential create notes'],
    run: createCredential,
  },
  {
    name: 'resource credential list',
    arguments: ['ID'],
    summary: 'the credentials of an MCP server, without their secrets',
    options: apiOptions,
    examples: ['coatcheck resource credential list notes'],
    run: async (call) =>
      table(
        await call.api()('GET', `${pathOf(call)}/credentials`),
        [
          ['CLIENT ID', member('client_id')],
          ['CREATED', time('created_at')],
        ],
        `No credential yet: coatcheck resource credential create ${call.argument('ID')}`,
      ),
  },
  {
    name: 'resource credential delete',
    arguments: ['ID', 'CLIENT_ID'],
    summary: 'delete one; it opens nothing from then on',
    options: apiOptions,
    examples: ['coatcheck resource credential delete notes resource_0123'],
    run: async (call) =>
      receiptOf(
        await call.api()('DELETE', `${pathOf(call)}/credentials/${segment(call.argument('CLIENT_ID'))}`),
      ),
  },
]
