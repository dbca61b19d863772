import type { ProblemField } from '../errors.ts'
import { pointerOf } from '../lib/json-pointer.ts'
import type { Conditions } from '../storage/documents.ts'
import type { Resource } from '../storage/resources.ts'
import type { Tool } from '../storage/tools.ts'
import { declaredArguments } from './declared-arguments.ts'

/** The scopes that are none of the resource's. */
export function scopeFaults(
  scopes: readonly string[],
  { document }: Pick<Resource, 'document'>,
  pointer: string,
): ProblemField[] {
  return scopes.flatMap((scope, index) =>
    Object.hasOwn(document.scopes, scope)
      ? []
      : [{ pointer: `${pointer}/${index}`, message: 'is no scope of this resource' }],
  )
}

/** The names its MCP server never published: a name that is misspelled would narrow nothing, or everything. */
export function toolFaults(
  names: readonly string[] | undefined,
  tools: readonly Tool[],
  pointer: string,
): ProblemField[] {
  const known = new Set(tools.map(({ name }) => name))
  return (names ?? []).flatMap((name, index) =>
    known.has(name) ? [] : [{ pointer: `${pointer}/${index}`, message: 'was never published as a tool' }],
  )
}

/** What conditions name that is not there; a limit on an argument no tool takes would limit nothing. */
export function conditionFaults(conditions: Conditions, tools: readonly Tool[]): ProblemField[] {
  const { allowed_tools: allowed, denied_tools: denied, arguments: limits = {} } = conditions
  const meant = allowed ? tools.filter(({ name }) => allowed.includes(name)) : tools
  const taken = new Set(meant.flatMap(({ published }) => [...declaredArguments(published)]))
  return [
    ...toolFaults(allowed, tools, '/conditions/allowed_tools'),
    ...toolFaults(denied, tools, '/conditions/denied_tools'),
    ...Object.keys(limits).flatMap((name) =>
      taken.has(name)
        ? []
        : [
            {
              pointer: pointerOf(['conditions', 'arguments', name]),
              message: 'is an argument of no such tool',
            },
          ],
    ),
  ]
}
