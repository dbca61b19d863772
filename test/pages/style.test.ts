import { describe, expect, test } from 'vitest'
import { style } from '../../src/pages/style.ts'

const [light = '', dark = ''] = String(style).split('@media (prefers-color-scheme: dark)')

function colours(css: string): Map<string, string> {
  return new Map(
    [...css.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value]),
  )
}

// WCAG 2.2, relative luminance and contrast ratio
function luminance(colour: string): number {
  const channel = (index: number) => {
    const value = Number.parseInt(colour.slice(1 + 2 * index, 3 + 2 * index), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  return 0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
}

function contrast(left: string, right: string): number {
  const [dim = 0, bright = 0] = [luminance(left), luminance(right)].sort((a, b) => a - b)
  return (bright + 0.05) / (dim + 0.05)
}

describe.each([
  ['light', colours(light)],
  ['dark', new Map([...colours(light), ...colours(dark)])],
])('the %s colours', (_scheme, palette) => {
  const of = (name: string) => palette.get(name) ?? 'missing'

  test.each([
    ['ink', 'paper'],
    ['ink', 'hover'],
    ['soft', 'paper'],
    ['soft', 'wall'],
    ['caution', 'paper'],
    ['warning-ink', 'warning'],
    ['stub-ink', 'stub'],
    ['deed-ink', 'deed'],
    ['deed-ink', 'deed-hover'],
  ])('%s on %s can be read (WCAG AA, 4.5:1)', (text, ground) => {
    expect(contrast(of(text), of(ground))).toBeGreaterThanOrEqual(4.5)
  })

  test.each([
    ['edge', 'paper'],
    ['focus', 'paper'],
    ['deed', 'paper'],
  ])('%s on %s can be told apart (WCAG AA, 3:1)', (line, ground) => {
    expect(contrast(of(line), of(ground))).toBeGreaterThanOrEqual(3)
  })
})
