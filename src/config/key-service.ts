import type { KeyServiceAddress } from '../keys/key-service.ts'
import type { Environment } from './environment.ts'

/**
 * A service that keeps a master key, and whether that seals or only opens what it sealed before. No part of it is a
 * function: other processes are handed it.
 */
export type KeyService = Omit<KeyServiceAddress, 'token'> & { use: 'seal' | 'open'; token: TokenPlace }

/** In a file it is read anew each time: an agent may renew it. */
export type TokenPlace = { value: string } | { file: string }

export function tokenAt(place: TokenPlace, readFile: (path: string) => string): string {
  return 'file' in place ? readFile(place.file).trim() : place.value
}

export function keyServiceOf(
  from: Environment,
  env: Record<string, string | undefined>,
): KeyService | undefined {
  const { COATCHECK_KEY_SERVICE_URL: url, COATCHECK_KEY_SERVICE_TOKEN: value = '' } = from
  if (url === undefined) return undefined
  const file = env.COATCHECK_KEY_SERVICE_TOKEN_FILE
  const token = file ? { file } : { value }
  return { url, id: keyNameOf(url), token, use: from.COATCHECK_KEY_SERVICE_USE }
}

const keyNameOf = (url: string) => new URL(url).pathname.split('/').at(-1) ?? ''

/** What is missing or twice where a service keeps a master key. */
export function keyServiceFaults(from: Environment, isOpen: (name: keyof Environment) => boolean): string[] {
  const { COATCHECK_KEY_SERVICE_URL: url, COATCHECK_KEY_SERVICE_TOKEN: token } = from
  const taken = from.COATCHECK_MASTER_KEYS?.some(({ id }) => url !== undefined && id === keyNameOf(url))
  return [
    ...(url !== undefined && token === undefined && isOpen('COATCHECK_KEY_SERVICE_TOKEN')
      ? ['COATCHECK_KEY_SERVICE_TOKEN: is required with COATCHECK_KEY_SERVICE_URL']
      : []),
    ...(url === undefined && token !== undefined && isOpen('COATCHECK_KEY_SERVICE_URL')
      ? ['COATCHECK_KEY_SERVICE_URL: is required with COATCHECK_KEY_SERVICE_TOKEN']
      : []),
    ...(taken ? ['COATCHECK_KEY_SERVICE_URL: the name of its key is the id of a master key'] : []),
  ]
}

/** Whether something seals, beside what may be generated. */
export function hasSealingKey(from: Environment): boolean {
  const isService = from.COATCHECK_KEY_SERVICE_URL !== undefined && from.COATCHECK_KEY_SERVICE_USE === 'seal'
  return from.COATCHECK_MASTER_KEYS !== undefined || isService
}
