import { createHash } from 'node:crypto'
import { pageSamples } from './page-samples.ts'

/** The images of docs/pages.md, and the sample each is drawn from. */
export const imagesShown: ReadonlyMap<string, string> = new Map([
  ['choose', 'choose'],
  ['consent', 'consent-new-person'],
  ['consent-optional', 'consent'],
  ['pick-site', 'pick-site'],
  ['connect', 'connect'],
  ['done', 'done'],
  ['wrong-account', 'wrong-person'],
  ['account', 'account'],
  ['expired', 'error-expired'],
  ['unknown-client', 'error-unknown-client-registers-by-itself'],
  ['interstitial', 'interstitial'],
])

export const imageFolder = 'docs/images/pages'

/** Holds what `drawnFrom` answered when the images were made. */
export const drawnFromFile = `${imageFolder}/drawn-from.sha256`

export const variants = (['light', 'dark'] as const).flatMap((colorScheme) =>
  [360, 1280].map((width) => ({ colorScheme, width })),
)

export const imageName = (image: string, { width, colorScheme }: (typeof variants)[number]) =>
  `${image}-${width}-${colorScheme}.png`

/** Changes with every word and every rule of style in the pages that are shown. */
export function drawnFrom(): string {
  const digest = createHash('sha256')
  for (const sample of imagesShown.values()) digest.update(String(pageSamples.get(sample)))
  return digest.digest('hex')
}
