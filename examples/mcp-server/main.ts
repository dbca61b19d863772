import { startMcpServer } from './server.ts'

const { COATCHECK_ISSUER, MCP_URL, RESOURCE_CLIENT_ID, RESOURCE_CLIENT_SECRET, HOST, PORT } = process.env

const { url } = await startMcpServer({
  issuer: COATCHECK_ISSUER ?? 'http://localhost:8080',
  url: MCP_URL ?? 'http://localhost:8081/mcp',
  host: HOST ?? '127.0.0.1',
  port: Number(PORT ?? 8081),
  clientId: required(RESOURCE_CLIENT_ID),
  clientSecret: required(RESOURCE_CLIENT_SECRET),
  apis: {
    github: 'https://api.github.com',
    google: 'https://www.googleapis.com',
    atlassian: 'https://api.atlassian.com',
  },
})
console.log(`MCP server at ${url}`)

function required(value: string | undefined): string {
  if (value) return value
  console.error(
    'Set RESOURCE_CLIENT_ID and RESOURCE_CLIENT_SECRET to the resource credential Coatcheck gave you.',
  )
  process.exit(1)
}
