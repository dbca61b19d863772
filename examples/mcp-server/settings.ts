export type Settings = {
  /** Coatcheck: it signs people in, and keeps their tokens. */
  issuer: string
  /** This MCP server's own URL, byte for byte as it is registered with Coatcheck. */
  url: string
  /** Where it listens; the URL may be a proxy's. */
  host: string
  port: number
  /** The resource credential that Coatcheck gave this MCP server. */
  clientId: string
  clientSecret: string
  /** The APIs the tools call. */
  apis: { github: string; google: string; atlassian: string }
}
