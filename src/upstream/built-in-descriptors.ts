import { readdirSync, readFileSync } from 'node:fs'

const folder = new URL('../../providers/', import.meta.url)

/** The descriptors this package ships, by id: the files of `providers/`, unchecked. */
export const builtInDescriptors: ReadonlyMap<string, unknown> = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file !== 'schema.json')
    .map((file) => [file.replace(/\.json$/, ''), JSON.parse(readFileSync(new URL(file, folder), 'utf8'))]),
)
