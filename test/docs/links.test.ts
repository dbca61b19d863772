import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

const pages = [...globSync('*.md'), ...globSync('{docs,examples,standins,bench,sdk}/**/*.md')].filter(
  (path) => !path.includes('node_modules'),
)

/** As GitHub makes them: lower case, spaces to hyphens, all other signs gone. */
function anchorsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8').replace(/```[\s\S]*?```/g, '')
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function linksOf(path: string): string[] {
  const text = readFileSync(path, 'utf8').replace(/```[\s\S]*?```/g, '')
  const found = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)]
  return found.map(([, inText, inTag]) => inText ?? inTag ?? '').filter((link) => !/^[a-z]+:/.test(link))
}

test.each(pages)('the links of %s lead somewhere', (path) => {
  const dead = linksOf(path).filter((link) => {
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : normalize(join(dirname(path), file))
    return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor))
  })
  expect(dead).toEqual([])
})

/** Lines of tables that stand under no head, as after a blank line. */
function strayRows(path: string): string[] {
  const text = readFileSync(path, 'utf8').replace(/```[\s\S]*?```/g, '')
  const tables = text.match(/(?:^\|.*\n)+/gm) ?? []
  return tables.filter((table) => !/^\|.*\n\|[ :|-]+\|\n/.test(table))
}

test.each(pages)('every row of a table in %s stands under its head', (path) => {
  expect(strayRows(path)).toEqual([])
})
