import { json, type Reply, text } from '../kit/exchange.ts'
import type { GithubState } from './state.ts'

/** A preview GitHub publishes for MCP clients; on some Enterprise servers its content is wrong. */
export function metadata(state: GithubState): Reply {
  if (state.switches.metadata === 'absent') return text(404, 'Not Found')
  const base = state.switches.metadata === 'wrong' ? 'http://enterprise.invalid' : state.web
  return json(200, {
    issuer: `${base}/login/oauth`,
    authorization_endpoint: `${base}/login/oauth/authorize`,
    token_endpoint: `${base}/login/oauth/access_token`,
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    code_challenge_methods_supported: ['S256'],
    service_documentation: 'https://docs.github.com/apps/creating-github-apps',
  })
}
