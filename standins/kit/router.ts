import type { Handler, Routes } from './exchange.ts'

type Match = { handler: Handler; params: Record<string, string> }

const literal = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** `'GET /user/:id'` as an expression over `'GET /user/7'`; a `*` stands for anything. */
export function routePattern(route: string): RegExp {
  const source = route
    .split(/(:[a-z]\w*|\*)/i)
    .map((part) => {
      if (part === '*') return '.*'
      return part.startsWith(':') && part.length > 1 ? `(?<${part.slice(1)}>[^/]+)` : literal(part)
    })
    .join('')
  return new RegExp(`^${source}$`)
}

/** Finds the handler of a request; routes are tried in the order they are written. */
export function createRouter(routes: Routes): (method: string, path: string) => Match | undefined {
  const compiled = Object.entries(routes).map(([route, handler]) => ({
    pattern: routePattern(route),
    handler,
  }))
  return (method, path) => {
    for (const { pattern, handler } of compiled) {
      const match = pattern.exec(`${method} ${path}`)
      if (match) return { handler, params: { ...match.groups } }
    }
    return undefined
  }
}
