import type { ProblemField } from '../errors.ts'
import { pointerOf } from '../lib/json-pointer.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import type { ResourceDefinition } from './resource-definition.ts'

/** What leaves it out would open to everyone what was for those alone who are bound. */
export function accessErrors({ access }: ResourceDefinition, before: Resource | undefined): ProblemField[] {
  if (access !== undefined || before?.document.access !== 'bindings') return []
  return [
    { pointer: '/access', message: 'must be said, since it is bindings: without it everyone has access' },
  ]
}

/** A scope that goes while a rule or a role names it would come back some day and open what nobody then means. */
export async function scopesInUse(
  store: Pick<Store, 'tools' | 'roles'>,
  before: Resource,
  { id, document }: Resource,
): Promise<ProblemField[]> {
  const gone = Object.keys(before.document.scopes).filter((scope) => !Object.hasOwn(document.scopes, scope))
  if (gone.length === 0) return []
  const [tools, roles] = await Promise.all([store.tools.list(id), store.roles.list(id)])
  return gone.flatMap((scope) => {
    const opened = tools.filter(({ rule }) => rule?.scopes.includes(scope)).map(({ name }) => `tool ${name}`)
    const given = roles
      .filter((role) => role.document.scopes.includes(scope))
      .map(({ name }) => `role ${name}`)
    const users = [...opened, ...given]
    return users.length === 0
      ? []
      : [
          {
            pointer: pointerOf(['scopes', scope]),
            message: `cannot go while used by ${users.join(', ')}`,
          },
        ]
  })
}
