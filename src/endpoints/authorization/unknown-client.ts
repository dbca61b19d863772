import { isDocumentId } from '../../clients/document-id.ts'
import type { Gateway } from '../../gateway.ts'
import { PageRefusal } from '../../http/page-refusal.ts'

/** A client that is not there, or not any more: what helps depends on whether it can register itself again. */
export function unknownClient({ config }: Gateway, id: string): PageRefusal {
  const { policy } = config.registration
  const isOpen = policy === 'open' || policy === 'allow_list'
  const registers = isOpen && !isDocumentId(id) ? 'by itself' : 'by the administrator'
  return new PageRefusal(400, { kind: 'unknown client', registers })
}
