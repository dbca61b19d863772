import { isJson, type Json } from './admin-api.ts'
import { about, type Finding } from './finding.ts'
import { wordsOf } from './show.ts'

/** What a check of a provider found. Nobody is harmed by what nobody can use: of one that is disabled all is a note. */
export function checkedFindings(
  { id, use }: { id: string; use: 'enabled' | 'disabled' },
  checked: Json,
): Finding[] {
  const { ok, wrong, note } = about(`provider ${id}`)
  const told = (value: unknown, as: typeof note) =>
    Array.isArray(value)
      ? value.filter(isJson).map(({ message, advice }) => as(wordsOf(message), wordsOf(advice)))
      : []
  return [
    ...(checked.ok === true ? [ok(`answers at ${wordsOf(checked.authorization_endpoint)}`)] : []),
    ...told(checked.problems, use === 'enabled' ? wrong : note),
    ...told(checked.warnings, note),
    redirectFinding(id, checked.redirect_uri),
  ]
}

/** What nobody can see from outside, so that it is always said. */
export function redirectFinding(id: string, uri: unknown): Finding {
  const message = `the redirect URI to register there, to the letter: ${wordsOf(uri)} (only a sign-in shows whether it is)`
  return about(`provider ${id}`).ok(message)
}
