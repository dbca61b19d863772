import { pointerOf } from '../lib/json-pointer.ts'
import { checkUpstreamUrl, type UrlRules } from '../lib/upstream-url.ts'
import { builtInDescriptors } from './built-in-descriptors.ts'
import { type Descriptor, descriptorSchema } from './descriptor.ts'

/** What an administrator wrote does not describe a provider; every reason at once, pointers as in RFC 6901. */
export class DescriptorError extends Error {
  override name = 'DescriptorError'
  readonly errors: readonly DescriptorFault[]

  constructor(errors: readonly DescriptorFault[]) {
    super(errors.map(({ pointer, message }) => `${pointer} ${message}`).join('; '))
    this.errors = errors
  }
}

export type DescriptorFault = { pointer: string; message: string }

/**
 * The descriptor behind a built-in's id or an inline document, with what it extends underneath, its variables
 * replaced and its URLs checked. Pointers lead into the descriptor, or into `/variables`. Throws `DescriptorError`.
 */
export function resolveDescriptor(
  source: string | Record<string, unknown>,
  variables: Readonly<Record<string, string>>,
  rules: UrlRules,
): Descriptor {
  const parsed = descriptorSchema.safeParse(flatten(source))
  if (!parsed.success) {
    throw new DescriptorError(
      parsed.error.issues.map(({ path, message }) => ({ pointer: pointerOf(path), message })),
    )
  }
  const values = variableValues(parsed.data, variables, rules)
  const faults: DescriptorFault[] = []
  const resolved = mapUrls(parsed.data, (template, path) => {
    const url = replaceVariables(template, values)
    const fault = findLeftOver(url) ?? checkUpstreamUrl(url, rules)
    if (fault) faults.push({ pointer: pointerOf(path), message: fault })
    return url
  })
  if (faults.length > 0) throw new DescriptorError(faults)
  return resolved
}

/** The hosts an administrator named, which alone may lie on a private network. */
export function namedHosts(descriptor: Descriptor): ReadonlySet<string> {
  const hosts = new Set<string>()
  mapUrls(descriptor, (url) => {
    hosts.add(new URL(url).host)
    return url
  })
  return hosts
}

type Json = Record<string, unknown>

/** Puts a document on top of what it extends: a section's members one by one, anything else as a whole. */
function flatten(source: string | Json, above: readonly string[] = []): Json {
  if (typeof source === 'string') {
    const builtIn = builtInDescriptors.get(source)
    if (!isObject(builtIn) || above.includes(source)) {
      throw new DescriptorError([
        { pointer: above.length > 0 ? '/extends' : '', message: 'is not a built-in descriptor' },
      ])
    }
    return flatten(builtIn, [...above, source])
  }
  const { extends: base, ...own } = source
  if (base === undefined) return own
  if (typeof base !== 'string') {
    throw new DescriptorError([{ pointer: '/extends', message: 'is not the id of a built-in descriptor' }])
  }
  const below = flatten(base, above.length > 0 ? above : ['an inline descriptor'])
  const merged = Object.entries(own).map(([key, value]) => {
    const under = Object.hasOwn(below, key) ? below[key] : undefined
    return [key, isObject(under) && isObject(value) ? { ...under, ...value } : value]
  })
  return { ...below, ...Object.fromEntries(merged) }
}

function variableValues(
  descriptor: Descriptor,
  given: Readonly<Record<string, string>>,
  rules: UrlRules,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  const faults: DescriptorFault[] = []
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(descriptor.variables, name)) {
      faults.push({
        pointer: pointerOf(['variables', name]),
        message: 'is not a variable of this descriptor',
      })
    }
  }
  for (const [name, { label, default: fallback }] of Object.entries(descriptor.variables)) {
    const value = Object.hasOwn(given, name) ? given[name] : fallback
    const fault = value === undefined ? `is required (${label})` : checkBaseUrl(value, rules)
    if (fault) faults.push({ pointer: pointerOf(['variables', name]), message: fault })
    if (value !== undefined) values.set(name, value)
  }
  if (faults.length > 0) throw new DescriptorError(faults)
  return values
}

function checkBaseUrl(value: string, rules: UrlRules): string | undefined {
  const fault = checkUpstreamUrl(value, rules)
  if (fault) return fault
  return value.includes('?') ? 'must not have a query' : undefined
}

/**
 * A variable may begin a URL. Where it stands alone it is taken as it was typed, because issuers are compared byte
 * by byte; where a path follows, it gives up its last slash.
 */
function replaceVariables(template: string, values: ReadonlyMap<string, string>): string {
  const [, name, path] = /^\{(\w+)\}(.*)$/.exec(template) ?? []
  const value = name === undefined ? undefined : values.get(name)
  if (value === undefined) return template
  return path ? value.replace(/\/+$/, '') + path : value
}

/** The client id is filled in when a token is revoked; any other variable had its turn. */
function findLeftOver(url: string): string | undefined {
  return /\{(?!client_id\})/.test(url) ? 'holds a variable in a place where none may stand' : undefined
}

/** Every URL of a descriptor, mapped. */
function mapUrls(descriptor: Descriptor, map: (url: string, path: string[]) => string): Descriptor {
  const { discovery, ...endpoints } = descriptor.server
  const server = Object.entries(endpoints).flatMap(([name, url]) =>
    url === undefined ? [] : [[name, map(url, ['server', name])]],
  )
  const { email } = descriptor.identity
  const { revocation, sites } = descriptor
  return {
    ...descriptor,
    server: { discovery, ...Object.fromEntries(server) },
    identity: {
      ...descriptor.identity,
      ...(email &&
        'list' in email && {
          email: { ...email, list: map(email.list, ['identity', 'email', 'list']) },
        }),
    },
    ...(sites && { sites: { ...sites, url: map(sites.url, ['sites', 'url']) } }),
    ...(revocation?.style === 'request' && {
      revocation: {
        ...revocation,
        url: map(revocation.url, ['revocation', 'url']),
        ...(revocation.grant_url !== undefined && {
          grant_url: map(revocation.grant_url, ['revocation', 'grant_url']),
        }),
      },
    }),
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Every host; and where one host serves several tenants by path, whose issuer and token endpoint it is. */
export function destinations(descriptor: Descriptor) {
  const { issuer, token_endpoint: tokenEndpoint } = descriptor.server
  return { issuer: new URL(issuer).href, tokenEndpoint, hosts: [...namedHosts(descriptor)].sort() }
}
