import type { TestGatewayOptions } from './gateway.ts'
import { type House, type Room, startHouse } from './house.ts'
import type { ResourceCredential } from './world.ts'

/** A house with one person in it and one MCP server, `notes`, that may have `repo` and `gist` of GitHub. */
export type Notes = House & { room: Room; credential: ResourceCredential; provider: 'github' }

export const notesDefinition = {
  resource: 'https://notes.test/mcp',
  name: 'notes',
  scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
  default_scopes: ['notes.read'],
  providers: [{ provider: 'github', scopes: ['repo', 'gist'] }],
}

export async function startNotes(options: TestGatewayOptions = {}): Promise<Notes> {
  const house = await startHouse(options)
  const room = await house.open('notes', notesDefinition)
  house.newPerson()
  return { ...house, room, credential: room.credential, provider: 'github' }
}
