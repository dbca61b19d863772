import { decodeFormComponent } from './parameters.ts'

export type BasicCredentials = { readonly id: string; readonly secret: string }

const maxHeaderLength = 8_192
const shape = /^basic +([A-Za-z0-9+/]+={0,2})$/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 7617 section 2 forbids exactly these.
const control = /[\x00-\x1f\x7f]/

/**
 * What an `Authorization: Basic` header (RFC 7617) may mean: the credentials as they stand and, where that is
 * different, as RFC 6749 section 2.3.1 has clients form-encode them first. Real clients do either. Undefined for
 * anything that is not strictly such a header: no colon, no id, other base64, not UTF-8, or percent-encoding that
 * does not decode.
 */
export function parseBasic(
  header: string | undefined,
): readonly [BasicCredentials, ...BasicCredentials[]] | undefined {
  if (header === undefined || header.length > maxHeaderLength) return undefined
  const text = decodeBase64(shape.exec(header)?.[1] ?? '')
  const colon = text?.indexOf(':') ?? -1
  if (text === undefined || colon < 1 || control.test(text)) return undefined
  const plain = { id: text.slice(0, colon), secret: text.slice(colon + 1) }
  const id = decodeFormComponent(plain.id)
  const secret = decodeFormComponent(plain.secret)
  if (id === undefined || secret === undefined) return undefined
  return id === plain.id && secret === plain.secret ? [plain] : [plain, { id, secret }]
}

/** Of the several spellings decoders accept, only the canonical one. */
function decodeBase64(encoded: string): string | undefined {
  const bytes = Buffer.from(encoded, 'base64')
  if (encoded === '' || bytes.toString('base64') !== encoded) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
