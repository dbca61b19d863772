import { administratorCommands } from './administrators.ts'
import { auditCommands } from './audit.ts'
import { auditRecordCommands } from './audit-record.ts'
import { clientCommands } from './clients.ts'
import type { Command } from './command.ts'
import { completionCommand } from './completion.ts'
import { connectionCommands } from './connections.ts'
import { doctorCommand } from './doctor.ts'
import { gatewayCommands } from './gateway.ts'
import { keyCommands } from './keys.ts'
import { openApiCommand } from './openapi.ts'
import { providerCommands } from './providers.ts'
import { resourceCommands } from './resources.ts'
import { sessionCommands } from './sessions.ts'
import { subjectCommands } from './subjects.ts'

/** Every command there is; help, completion and docs/cli.md follow from it. */
export const commands: readonly Command[] = [
  ...gatewayCommands,
  doctorCommand,
  ...providerCommands,
  ...resourceCommands,
  ...clientCommands,
  ...subjectCommands,
  ...sessionCommands,
  ...connectionCommands,
  ...auditCommands,
  ...auditRecordCommands,
  ...keyCommands,
  ...administratorCommands,
  openApiCommand,
  completionCommand(() => commands),
]
