import { apiOptions, type Command } from './command.ts'

export const openApiCommand: Command = {
  name: 'openapi',
  arguments: [],
  summary: 'the OpenAPI document of the admin API',
  options: apiOptions,
  examples: ['coatcheck openapi'],
  run: async ({ api }) => {
    const json = await api()('GET', '/openapi.json')
    return { text: JSON.stringify(json, null, 2), json }
  },
}
