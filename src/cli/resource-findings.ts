import { isJson, type Json } from './admin-api.ts'
import { about, type Finding } from './finding.ts'
import { wordsOf } from './show.ts'

/** Whether an MCP server can be signed in to, fetch what it asks for, and be called by whom it should be. */
export function resourceFindings(
  item: Json,
  {
    credentials,
    providers,
    resources,
  }: { credentials: number; providers: readonly Json[]; resources: readonly Json[] },
): Finding[] {
  const id = wordsOf(item.id)
  const { ok, wrong, note } = about(`MCP server ${id}`)
  const callers = Array.isArray(item.callers) ? item.callers.filter(isJson) : []
  const asks = Array.isArray(item.providers) ? item.providers.filter(isJson) : []
  if (item.enabled !== true)
    return [note('nobody can use it while disabled', `coatcheck resource set ${id} --file ...`)]
  return [
    ok(wordsOf(item.resource)),
    ...(asks.length > 0 && credentials === 0
      ? [note('it cannot fetch tokens: it has no credential', `coatcheck resource credential create ${id}`)]
      : []),
    ...asks.flatMap(({ provider: asked, required }) => {
      const name = wordsOf(asked)
      const found = providers.find((each) => each.id === asked)
      if (found?.enabled === true) return []
      const message = `it asks for the provider ${name}, which is ${found ? 'disabled' : 'not there'}`
      const advice = `Set ${name} up (coatcheck provider set ${name}), or have the MCP server not ask for it.`
      return [required === false ? note(message, advice) : wrong(`${message}: nobody gets in`, advice)]
    }),
    ...callers.flatMap(({ resource }) => {
      const name = wordsOf(resource)
      const found = resources.find((each) => each.id === resource)
      if (found?.enabled === true) return []
      const message = `it may be called by ${name}, which is ${found ? 'disabled' : 'not there'}`
      const advice = `Whoever sets up an MCP server called ${name} may call it, too; take it out if that is not meant.`
      return [note(message, found ? `coatcheck resource show ${name}` : advice)]
    }),
  ]
}
