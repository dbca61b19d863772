const maxHeaderLength = 16_384
const shape = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/** The b64token of an `Authorization: Bearer` header (RFC 6750 section 2.1); undefined for anything else. */
export function parseBearer(header: string | undefined): string | undefined {
  if (header === undefined || header.length > maxHeaderLength) return undefined
  return shape.exec(header)?.[1]
}
