/** Wrong use of the command line: said with where to find help, exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}
