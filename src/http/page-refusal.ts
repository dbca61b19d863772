import type { PageError } from '../pages/error-text.ts'

/** An answer we meant to give as a page: rendered, never redirected. */
export class PageRefusal extends Error {
  override name = 'PageRefusal'
  readonly status: number
  readonly page: PageError

  constructor(status: number, page: PageError, options: { cause?: unknown } = {}) {
    super(`page: ${page.kind}`, options)
    this.status = status
    this.page = page
  }
}

/** A button or a trip of an account page that is no longer this person's, or no longer there. */
export const accountPageOutdated = () => new PageRefusal(400, { kind: 'account page outdated' })
