import type { ClientBase } from 'pg'

/** What is asked of a server that this one does not have; only a person can decide what to do. */
export class UnfitServerError extends Error {
  override name = 'UnfitServerError'
}

/** The oldest major version that is known to do all that is asked of it. */
export const oldestVersion = 14

export async function refuseOld(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ number: number; version: string }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version`,
  )
  const [server] = rows
  if (server && server.number < oldestVersion * 10_000) {
    throw new UnfitServerError(
      `the PostgreSQL server is version ${server.version}, and ${oldestVersion} is the oldest that will do`,
    )
  }
}
