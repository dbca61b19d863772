import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import type { ArgumentLimit, Conditions } from '../storage/documents.ts'

/** What a call is judged by. `unknown` arguments are those of a call nobody has made yet: a list is made of tools. */
export type Circumstances = {
  now: number
  tool: string
  arguments: Readonly<Record<string, unknown>> | 'unknown'
  /** The names the tool's input schema has; a limit on any other only counts where the argument is there. */
  declared: ReadonlySet<string>
  /** Where the person's client calls from, as the MCP server says. */
  address?: string | undefined
  authTime: number
  acr?: string | undefined
}

/** A condition that did not hold, by its name. */
export type FailedCondition = keyof Conditions

/** Those that a newer or stronger sign-in would mend. */
export const mendedBySignIn: readonly FailedCondition[] = ['max_authentication_age', 'acr_values']

const toolName = z.string().min(1).max(200)
const clockTime = /^([01]\d|2[0-3]):[0-5]\d$/
const isWindow = (text: string) => {
  const [from = '', to = '', ...more] = text.split('-')
  return more.length === 0 && clockTime.test(from) && clockTime.test(to) && from !== to
}

const argumentLimit = z
  .strictObject({
    one_of: z
      .array(z.union([z.string().max(1024), z.number(), z.boolean()]))
      .min(1)
      .max(500)
      .optional(),
    at_least: z.number().optional(),
    at_most: z.number().optional(),
  })
  .refine((limit) => Object.keys(limit).length > 0, 'limits nothing')

/** What a binding may be narrowed by; a key it does not know is refused, since it would narrow nothing. */
export const conditionsSchema = z.strictObject({
  cidrs: z
    .array(z.string().max(64).refine(isNetwork, 'is not a network in CIDR notation'))
    .min(1)
    .max(100)
    .optional()
    .describe('Where the client must be, by the word of the MCP server'),
  time_utc: z
    .array(z.string().refine(isWindow, 'is not HH:MM-HH:MM'))
    .min(1)
    .max(20)
    .optional()
    .describe('When, in UTC; a window whose end comes first goes across midnight'),
  allowed_tools: z.array(toolName).min(1).max(500).optional(),
  denied_tools: z
    .array(toolName)
    .min(1)
    .max(500)
    .optional()
    .describe('Wins over everything that allows, other bindings included'),
  arguments: z
    .record(z.string().min(1).max(200), argumentLimit)
    .optional()
    .describe('What an argument of a call may be, by its name'),
  // A sign-in takes its time to become a call: from less than that nobody would ever come back.
  max_authentication_age: z.int().min(60).max(31_536_000).optional().describe('Seconds since the sign-in'),
  acr_values: z
    .array(z.string().min(1).max(255))
    .min(1)
    .max(20)
    .optional()
    .describe('Strengths of the sign-in'),
})

/** The conditions that do not hold, in the order of their definition; what cannot be told does not hold. */
export function failedConditions(conditions: Conditions, call: Circumstances): FailedCondition[] {
  return (Object.keys(rules) as FailedCondition[]).filter((name) => !rules[name](conditions, call))
}

const rules: Record<FailedCondition, (conditions: Conditions, call: Circumstances) => boolean> = {
  cidrs: ({ cidrs }, { address }) =>
    !cidrs || (address !== undefined && cidrs.some((cidr) => isWithin(address, cidr))),
  time_utc: ({ time_utc: windows }, { now }) => !windows || windows.some((window) => isDuring(now, window)),
  allowed_tools: ({ allowed_tools: names }, { tool }) => !names || names.includes(tool),
  denied_tools: ({ denied_tools: names }, { tool }) => !names?.includes(tool),
  arguments: ({ arguments: limits = {} }, call) =>
    Object.entries(limits).every(([name, limit]) => isWithinLimit(name, limit, call)),
  max_authentication_age: ({ max_authentication_age: age }, { now, authTime }) =>
    age === undefined || now - authTime <= age,
  acr_values: ({ acr_values: values }, { acr }) => !values || (acr !== undefined && values.includes(acr)),
}

/** Written as everybody reads it: some take `010.1` for an address, and not all for the same one. */
const isAddress = (text: string) => ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text)

/** One of IPv4 addresses in IPv6 clothes would never match, since those are taken off. */
function isNetwork(cidr: string): boolean {
  if (!ipaddr.isValidCIDR(cidr) || !isAddress(cidr.split('/')[0] ?? '')) return false
  const [network] = ipaddr.parseCIDR(cidr)
  return !(network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress())
}

/** An IPv4 address in IPv6 clothes is the IPv4 address. */
function isWithin(address: string, cidr: string): boolean {
  if (!isAddress(address)) return false
  const parsed = ipaddr.process(address)
  const [network, bits] = ipaddr.parseCIDR(cidr)
  return parsed.kind() === network.kind() && parsed.match(network, bits)
}

/** The first minute is in, the last is out. */
function isDuring(now: number, window: string): boolean {
  const [from = '', to = ''] = window.split('-')
  const time = new Date(now * 1000).toISOString().slice(11, 16)
  return from < to ? from <= time && time < to : from <= time || time < to
}

function isWithinLimit(name: string, limit: ArgumentLimit, call: Circumstances): boolean {
  if (call.arguments === 'unknown') return true
  if (!Object.hasOwn(call.arguments, name)) return !call.declared.has(name)
  const value = call.arguments[name]
  // Several values are within a limit where each of them is. None at all often stands for everything.
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  return values.length > 0 && values.every((each) => isAllowed(each, limit))
}

function isAllowed(value: unknown, { one_of, at_least, at_most }: ArgumentLimit): boolean {
  if (one_of && !one_of.some((allowed) => allowed === value)) return false
  if (at_least === undefined && at_most === undefined) return true
  return (
    typeof value === 'number' &&
    value >= (at_least ?? Number.NEGATIVE_INFINITY) &&
    value <= (at_most ?? Number.POSITIVE_INFINITY)
  )
}
