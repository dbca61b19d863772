/**
 * Text from strangers, made fit to stand on a page: nothing invisible, nothing that turns the reading direction,
 * no pile of accents that covers the neighbours, one line, at most `maxLength` characters.
 * It does not escape; the `html` template does that.
 */
export function displayText(value: string, maxLength = 80): string {
  const seen = value
    // Bounds the work on absurd input; the cut below is the one people see.
    .slice(0, 16 * maxLength)
    .toWellFormed()
    // A Braille blank has no ink either.
    .replace(/[\t\n\v\f\r\u2800\p{Z}]+/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
    .replace(/[\p{Co}\p{Cn}]/gu, '\uFFFD')
    .normalize('NFC')
    .replace(/(\p{M}{4})\p{M}+/gu, '$1')
    .replace(/ +/g, ' ')
    .replace(/^[ \p{M}]+| $/gu, '')
  return cutAtEnd(seen, maxLength)
}

/**
 * A host or a scheme, exactly: printable ASCII stays, everything else becomes visible as `\u{...}`. A host is never cut at
 * its end, because the end says whose it is.
 */
export function displayHost(value: string): string {
  const visible = visibleAscii(value)
  return visible.length <= 300 ? visible : `…${visible.slice(-299)}`
}

/** A URI or a raw scope, exactly: printable ASCII stays, everything else becomes visible as `\u{...}`. */
export function displayExact(value: string, maxLength = 500): string {
  return cutAtEnd(visibleAscii(value), maxLength)
}

function visibleAscii(value: string): string {
  return value.replace(/[^\x21-\x7E…]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

function cutAtEnd(text: string, maxLength: number): string {
  const characters = [...text]
  if (characters.length <= maxLength) return text
  const kept = characters.slice(0, maxLength - 1).join('')
  return `${kept.trimEnd()}…`
}
