/** Secrets by what they are. */
export type Secrets = ReadonlyMap<string | Uint8Array, string>

export type Leak = { secret: string; where: string; spelling: string }

type Needle = { bytes: Buffer; secret: string; spelling: string }

const keyLength = 8

/** Every place where one of the secrets stands, whole or a good part of it, in any of the usual spellings. */
export function findLeaks(secrets: Secrets, places: Record<string, string | Uint8Array>): Leak[] {
  const needles = [...secrets].flatMap(([secret, name]) => spellingsOf(secret, name))
  const byKey = Map.groupBy(needles, ({ bytes }) => bytes.toString('latin1', 0, keyLength))
  const begins = new Set(needles.map(({ bytes }) => bytes.readUInt16LE(0)))
  return Object.entries(places).flatMap(([where, content]) =>
    needlesIn(Buffer.from(content), byKey, begins).map(({ secret, spelling }) => ({
      secret,
      where,
      spelling,
    })),
  )
}

function needlesIn(hay: Buffer, byKey: ReadonlyMap<string, Needle[]>, begins: ReadonlySet<number>): Needle[] {
  const found = new Set<Needle>()
  for (let at = 0; at + keyLength <= hay.length; at++) {
    if (!begins.has(hay.readUInt16LE(at))) continue
    for (const needle of byKey.get(hay.toString('latin1', at, at + keyLength)) ?? []) {
      if (hay.subarray(at, at + needle.bytes.length).equals(needle.bytes)) found.add(needle)
    }
  }
  return [...found]
}

function spellingsOf(secret: string | Uint8Array, name: string): Needle[] {
  const raw = Buffer.from(secret)
  const hex = raw.toString('hex')
  const texts: [string, string | Buffer][] = [
    ['raw', raw],
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ['percent', hex.replace(/../g, '%$&')],
    ['PERCENT', hex.toUpperCase().replace(/../g, '%$&')],
    ...[0, 1, 2].flatMap((offset): [string, string][] => [
      [`base64 at ${offset}`, base64Inside(raw, offset)],
      [
        `base64url at ${offset}`,
        base64Inside(raw, offset).replace(/[+/]/g, (sign) => (sign === '+' ? '-' : '_')),
      ],
    ]),
    ...(typeof secret === 'string' ? textSpellings(secret) : []),
  ]
  return texts
    .map(([spelling, text]) => ({ bytes: Buffer.from(text), secret: name, spelling }))
    .filter(({ bytes }) => bytes.length >= keyLength)
}

function textSpellings(secret: string): [string, string][] {
  const middle = Math.floor(secret.length / 2)
  return [
    ['a URL’s', encodeURIComponent(secret)],
    ['a JSON string’s', JSON.stringify(secret).slice(1, -1)],
    // What somebody may have cut short to be on the safe side.
    ...(secret.length >= 40
      ? ([
          ['the end', secret.slice(-16)],
          ['the middle', secret.slice(middle, middle + 16)],
        ] as [string, string][])
      : []),
  ]
}

/** What stays the same of a secret's base64, whatever stands before and after it. */
function base64Inside(raw: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), raw]).toString('base64')
  const from = Math.ceil((offset * 8) / 6)
  return encoded.slice(from, Math.floor(((offset + raw.length) * 8) / 6))
}
