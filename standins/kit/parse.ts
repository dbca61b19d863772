type Form = { values: Record<string, string>; repeated: string[] }

/** Percent-decoded where that is possible, else as it is. */
export function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

/** A query or form; of a repeated name the first value is kept and the name is reported. */
export function parseForm(encoded: string): Form {
  const values: Record<string, string> = {}
  const repeated: string[] = []
  for (const [name, value] of new URLSearchParams(encoded)) {
    if (Object.hasOwn(values, name)) repeated.push(name)
    else values[name] = value
  }
  return { values, repeated }
}

/** A JSON object, or an empty record for everything else. */
export function parseJson(raw: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(raw)
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

export function parseCookies(header: string | undefined): Record<string, string> {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim().split('='))
  return Object.fromEntries(pairs.map(([name, ...value]) => [name ?? '', decoded(value.join('='))]))
}
