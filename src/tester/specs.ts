const rfc = (number: number) => (section: string) =>
  `https://www.rfc-editor.org/rfc/rfc${number}#section-${section}`

/** Where it is written. */
export const specs = {
  oauth: rfc(6749),
  bearer: rfc(6750),
  jwk: rfc(7517),
  registration: rfc(7591),
  management: rfc(7592),
  pkce: rfc(7636),
  metadata: rfc(8414),
  resource: rfc(8707),
  jwt: rfc(8725),
  accessToken: rfc(9068),
  http: rfc(9110),
  iss: rfc(9207),
  bestPractice: rfc(9700),
  protectedResource: rfc(9728),
  discovery: (section: string) => `https://openid.net/specs/openid-connect-discovery-1_0.html#${section}`,
  clientDocuments: 'https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document',
  mcp: (section: string) =>
    `https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization#${section}`,
  mcpAuth: 'https://mcp-auth.dev/docs/provider-list',
} as const
