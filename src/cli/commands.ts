import { administratorCommands } from './administrators.ts'
import { applicationCommands } from './applications.ts'
import { archiveCommands } from './archive.ts'
import { auditCommands } from './audit.ts'
import { auditRecordCommands } from './audit-record.ts'
import { bindingCommands } from './bindings.ts'
import { clientCommands } from './clients.ts'
import type { Command } from './command.ts'
import { completionCommand } from './completion.ts'
import { connectionCommands } from './connections.ts'
import { decisionCommands } from './decisions.ts'
import { doctorCommand } from './doctor.ts'
import { gatewayCommands } from './gateway.ts'
import { keyCommands } from './keys.ts'
import { masterKeyCommands } from './master-keys.ts'
import { openApiCommand } from './openapi.ts'
import { providerCommands } from './providers.ts'
import { quotaCommands } from './quotas.ts'
import { resourceCommands } from './resources.ts'
import { revocationCommands } from './revocations.ts'
import { roleCommands } from './roles.ts'
import { sessionCommands } from './sessions.ts'
import { subjectCommands } from './subjects.ts'
import { testCommand } from './test.ts'
import { toolCommands } from './tools.ts'

/** Every command there is; help, completion and docs/cli.md follow from it. */
export const commands: readonly Command[] = [
  ...gatewayCommands,
  ...archiveCommands,
  doctorCommand,
  testCommand,
  ...providerCommands,
  ...resourceCommands,
  ...applicationCommands,
  ...toolCommands,
  ...roleCommands,
  ...bindingCommands,
  ...quotaCommands,
  ...decisionCommands,
  ...clientCommands,
  ...subjectCommands,
  ...sessionCommands,
  ...connectionCommands,
  ...revocationCommands,
  ...auditCommands,
  ...auditRecordCommands,
  ...keyCommands,
  ...masterKeyCommands,
  ...administratorCommands,
  openApiCommand,
  completionCommand(() => commands),
]
