export type Product = 'jira' | 'confluence'

/** Scopes about the account and the app's stay; all others concern a product on a site. */
const accountScopes = ['read:me', 'read:account', 'offline_access']

export function readScopes(parameter: string | undefined): string[] {
  return [...new Set((parameter ?? '').split(' ').filter((scope) => scope !== ''))]
}

const siteScopes = (scopes: string[]) => scopes.filter((scope) => !accountScopes.includes(scope))

export const needsSite = (scopes: string[]): boolean => siteScopes(scopes).length > 0

/** The part of these scopes that concerns one product. */
export function productScopes(scopes: string[], product: Product): string[] {
  return siteScopes(scopes).filter((scope) => scope.includes('confluence') === (product === 'confluence'))
}
