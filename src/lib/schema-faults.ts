import type { z } from 'zod'

/** What is wrong with a member of something that came from outside; never its value. */
export type Fault = { path: readonly PropertyKey[]; message: string }

/** Every mistake a schema found, each told of the member it lies in; of a union's shapes, the one that was meant. */
export function faultsOf({ issues }: Pick<z.core.$ZodError, 'issues'>): Fault[] {
  return issues.flatMap((issue) => faultsIn(issue, []))
}

function faultsIn(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): Fault[] {
  const path = [...above, ...issue.path]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], message: 'is not known' }))
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, message }))
    case 'invalid_union': {
      const meant = meantShape(issue.errors)
      return meant?.flatMap((inner) => faultsIn(inner, path)) ?? [{ path, message: unionMessage(issue) }]
    }
    default:
      return [{ path, message: issue.message }]
  }
}

type Shape = readonly z.core.$ZodIssue[]

/** Of the shapes it could have, one whose kind it is: then what is wrong lies inside. The one with least of it. */
function meantShape(shapes: readonly Shape[]): Shape | undefined {
  const fitting = shapes.filter((issues) => !issues.some(isOfAnotherKind))
  return fitting.toSorted((a, b) => a.length - b.length)[0]
}

function isOfAnotherKind({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')
}

/** What the schema says of it, or else each kind it could be. */
function unionMessage({ message, errors }: z.core.$ZodIssueInvalidUnion): string {
  const kinds = errors.flatMap((issues) => issues.filter(isOfAnotherKind).slice(0, 1)).map(kindOf)
  return message !== 'Invalid input' || kinds.length === 0
    ? message
    : `must be ${[...new Set(kinds)].join(' or ')}`
}

function kindOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value)).join(' or ')
  const expected = issue.code === 'invalid_type' ? issue.expected : 'something else'
  return kinds[expected] ?? expected
}

const kinds: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  string: 'a text',
}
