import type { PublishedTool } from '../storage/documents.ts'

/**
 * The names of the arguments a tool says it takes, in whatever part of its schema that speaks of the arguments as a
 * whole: a limit on one that is only named behind a `$ref` or in an `allOf` must not be dodged by leaving it out.
 */
export function declaredArguments({ input_schema }: PublishedTool): ReadonlySet<string> {
  const names = [...schemasOfTheWhole(input_schema)].flatMap(({ properties, required }) => [
    ...Object.keys(asObject(properties) ?? {}),
    ...(Array.isArray(required) ? required.filter((name) => typeof name === 'string') : []),
  ])
  return new Set(names)
}

type Schema = Readonly<Record<string, unknown>>

/** JSON Schema section 10.2: the subschemas that apply to the same value, references within the document included. */
function schemasOfTheWhole(root: Schema): Set<Schema> {
  const found = new Set<Schema>()
  const open: unknown[] = [root]
  while (open.length > 0) {
    const schema = asObject(open.pop())
    if (!schema || found.has(schema)) continue
    found.add(schema)
    const { allOf, anyOf, oneOf, if: when, then: met, else: unmet, dependentSchemas, $ref } = schema
    open.push(...[allOf, anyOf, oneOf].flatMap((list) => (Array.isArray(list) ? list : [])))
    open.push(when, met, unmet, ...Object.values(asObject(dependentSchemas) ?? {}), memberAt(root, $ref))
  }
  return found
}

/** What a reference like `#/$defs/issue` means (RFC 6901 section 6). */
function memberAt(root: Schema, reference: unknown): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined
  const [, ...path] = reference.split('/')
  let member: unknown = root
  for (const escaped of path) {
    const name = unescaped(escaped)
    const above: Schema = Array.isArray(member) ? { ...member } : (asObject(member) ?? {})
    member = Object.hasOwn(above, name) ? above[name] : undefined
  }
  return member
}

const unescaped = (text: string) =>
  text
    .replace(/%[0-7][0-9a-f]/gi, (encoded) => decodeURIComponent(encoded))
    .replaceAll('~1', '/')
    .replaceAll('~0', '~')

const asObject = (value: unknown): Schema | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : undefined
