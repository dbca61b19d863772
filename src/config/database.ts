import { databaseAddress } from '../storage/database.ts'
import { isUnproven } from '../storage/postgres/address.ts'
import type { Environment } from './environment.ts'

/**
 * What is wrong with the way to the database (promise 12): it is open to whoever is on it, and nobody said that this is
 * meant, or a certificate is not where the URL says.
 */
export function databaseFaults(
  { COATCHECK_DATABASE_URL: url, COATCHECK_ALLOW_UNPROVEN_DATABASE: mayBeUnproven }: Environment,
  isOpen: (name: keyof Environment) => boolean,
  readFile: (path: string) => string,
): string[] {
  const address = databaseAddress(url)
  if (address.kind === 'sqlite' || !isOpen('COATCHECK_DATABASE_URL')) return []
  const isUnmeant = isUnprovenDatabase(url) && !mayBeUnproven && isOpen('COATCHECK_ALLOW_UNPROVEN_DATABASE')
  const unread = Object.values(address.server.files).filter((path) => !isReadable(path, readFile))
  return [
    ...(isUnmeant ? [`COATCHECK_DATABASE_URL: ${unprovenDatabase}`] : []),
    ...unread.map((path) => `COATCHECK_DATABASE_URL: cannot read ${path}`),
  ]
}

export const unprovenDatabase =
  'its sslmode proves nothing to a server beyond this machine, so that others on the network may read all of it or stand in for it; sslmode=verify-full does, or COATCHECK_ALLOW_UNPROVEN_DATABASE=true says that the network is trusted'

export function isUnprovenDatabase(url: string): boolean {
  const address = databaseAddress(url)
  return address.kind === 'postgres' && isUnproven(address.server)
}

function isReadable(path: string, readFile: (path: string) => string): boolean {
  try {
    return readFile(path) !== ''
  } catch {
    return false
  }
}
