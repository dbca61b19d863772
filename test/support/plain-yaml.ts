/** What the files of this project say in YAML. */
export type Yaml = string | number | boolean | Yaml[] | { [key: string]: Yaml }

type Line = { indent: number; text: string }

/**
 * Reads the plain part of YAML: maps and lists in block form, scalars on one line, and JSON. Whatever else there is in YAML
 * throws, so that a file that is read means here what it means to everybody.
 */
export function parseYaml(source: string): Yaml[] {
  return source.split(/^---\n/m).map((document) => {
    const lines = document.split('\n').flatMap(lineOf)
    const value = readBlock(lines, 0)
    if (lines.length > 0) throw new Error(`unexpected: ${lines[0]?.text}`)
    return value
  })
}

function lineOf(raw: string): Line[] {
  if (/\t/.test(raw)) throw new Error('YAML knows no tabs')
  const text = raw.trimStart()
  if (text === '' || text.startsWith('#')) return []
  return [{ indent: raw.length - text.length, text: text.trimEnd() }]
}

function readBlock(lines: Line[], least: number): Yaml {
  const [first] = lines
  if (!first || first.indent < least) throw new Error('a value is missing')
  return first.text.startsWith('- ') ? readList(lines, first.indent) : readMap(lines, first.indent)
}

function readList(lines: Line[], indent: number): Yaml[] {
  const list: Yaml[] = []
  for (let line = lines[0]; line?.indent === indent && line.text.startsWith('- '); line = lines[0]) {
    const text = line.text.slice(2)
    if (!entry.test(text)) {
      lines.shift()
      list.push(scalar(text))
      continue
    }
    // The first entry of a map stands behind the dash.
    lines[0] = { indent: indent + 2, text }
    list.push(readMap(lines, indent + 2))
  }
  return list
}

const entry = /^([\w./-]+):(?: +(.*))?$/

function readMap(lines: Line[], indent: number): Yaml {
  const map: { [key: string]: Yaml } = {}
  for (let line = lines[0]; line?.indent === indent && !line.text.startsWith('- '); line = lines[0]) {
    const [, key, value] = entry.exec(line.text) ?? []
    if (key === undefined || Object.hasOwn(map, key)) throw new Error(`no new entry of a map: ${line.text}`)
    lines.shift()
    if (value !== undefined) map[key] = scalar(value)
    else map[key] = (lines[0]?.indent ?? 0) > indent ? readBlock(lines, indent + 1) : ''
  }
  if ((lines[0]?.indent ?? 0) > indent) throw new Error(`strangely indented: ${lines[0]?.text}`)
  return map
}

function scalar(text: string): Yaml {
  if (/^["[{]/.test(text)) return JSON.parse(text) as Yaml
  if (/^['&*!|>%@`]|: | #/.test(text)) throw new Error(`more than plain YAML: ${text}`)
  if (/^(yes|no|on|off|null|~)$/i.test(text)) throw new Error(`means different things: ${text}`)
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?[1-9]\d*$|^0$/.test(text) ? Number(text) : text
}
