import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { environmentSchema, ownVariables } from '../../src/config/environment.ts'

/** A file of `deploy/`. */
export const read = (name: string) => readFileSync(`deploy/${name}`, 'utf8')

/** `Name=value` lines of a section of a unit, by name. */
export function unit(name: string, section: 'Unit' | 'Service' | 'Timer' = 'Service'): Map<string, string[]> {
  const settings = new Map<string, string[]>()
  let current: string | undefined
  for (const line of read(name).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, begun] = /^\[(Unit|Service|Install|Timer)\]$/.exec(line) ?? []
    current = begun ?? current
    if (begun !== undefined) continue
    const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    expect(key, line).not.toBe('')
    if (current === section) settings.set(key, [...(settings.get(key) ?? []), value])
  }
  return settings
}

/** The environment of a unit, with what its credentials are as files. */
export function environmentOf(settings: Map<string, string[]>): Record<string, string> {
  const shared = read('environment')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
  // What the file says counts before the unit's own lines.
  const lines = [...(settings.get('Environment') ?? []), ...shared]
  return Object.fromEntries(
    lines.map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
  )
}

const secretFile = (path: string): string => {
  if (path.endsWith('database_url')) return 'postgres://coatcheck:secret@postgres/coatcheck?sslmode=disable'
  if (path.endsWith('master_keys'))
    return `k1:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`
  if (path.endsWith('admin_token')) return 'cc_admin_0123456789abcdef0123456789abcdef'
  throw new Error(`${path} is no secret`)
}

/** What a gateway makes of such an environment. */
export function configured(env: Record<string, string>) {
  const { variables, errors } = ownVariables(env, secretFile)
  expect(errors).toEqual([])
  return environmentSchema.parse(variables)
}
