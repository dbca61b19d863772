export type Product = 'jira' | 'confluence'

/** Scopes that only sign a person in or keep the app signed in; they need no site. */
const accountScopes = ['read:me', 'read:account', 'offline_access']

export function readScopes(parameter: string | undefined): string[] {
  return [...new Set((parameter ?? '').split(' ').filter((scope) => scope !== ''))]
}

/** The part of these scopes that concerns one product of a site. */
export function productScopes(scopes: string[], product: Product): string[] {
  const ofProduct = scopes.filter((scope) => !accountScopes.includes(scope))
  return ofProduct.filter((scope) => scope.includes('confluence') === (product === 'confluence'))
}

export const needsSite = (scopes: string[]): boolean => scopes.some((scope) => !accountScopes.includes(scope))
