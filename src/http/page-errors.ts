import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { buildRedirect, redirectKind } from '../clients/redirect-uri.ts'
import { AuthorizationError, type ErrorRedirect } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Html } from '../lib/html.ts'
import { errorPage } from '../pages/error.ts'
import { errorText, type PageError } from '../pages/error-text.ts'
import { interstitialPage } from '../pages/interstitial.ts'
import { asOAuthError, logFailure } from './oauth-errors.ts'
import { PageRefusal } from './page-refusal.ts'
import { seeOther, sendPage } from './send-page.ts'
import { issuerHost } from './shown.ts'

/** The one place where an error of a browser's visit becomes a redirect or a page. */
export function answerWithPage(
  gateway: Gateway,
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof AuthorizationError && error.redirect) {
    const url = errorUrl(gateway.config.issuer, error, error.redirect)
    if (error.redirect.follow === 'at once') return seeOther(reply, url)
    return sendPage(reply, interstitial(gateway, error, error.redirect.uri, url), error.status)
  }
  if (error instanceof PageRefusal) {
    return sendPage(reply, page(gateway, request, error.page), error.status)
  }
  const meant = asOAuthError(error)
  logFailure(request, error, meant?.status)
  if (meant === undefined) return sendPage(reply, page(gateway, request, { kind: 'our fault' }), 500)
  if (meant.status === 503) {
    return sendPage(reply.headers(meant.headers), page(gateway, request, { kind: 'unavailable' }), 503)
  }
  if (meant.status === 429) {
    return sendPage(reply.headers(meant.headers), page(gateway, request, { kind: 'too many requests' }), 429)
  }
  const detail = { code: meant.code, detail: meant.description }
  return sendPage(
    reply.headers(meant.headers),
    page(gateway, request, { kind: 'bad request' }, detail),
    meant.status,
  )
}

function page(
  gateway: Gateway,
  request: FastifyRequest,
  error: PageError,
  detail: { code?: string; detail?: string } = {},
): Html {
  return errorPage({
    ...errorText(error),
    ...detail,
    issuerHost: issuerHost(gateway),
    requestId: request.id,
  })
}

function interstitial(gateway: Gateway, error: AuthorizationError, redirectUri: string, url: string): Html {
  return interstitialPage({
    client: { assured: 'unverified', redirect: redirectKind(redirectUri) },
    reason: error.description,
    continueUrl: url,
    issuerHost: issuerHost(gateway),
  })
}

/** The URL of an error answer at a client (RFC 6749 section 4.1.2.1, RFC 9207 section 2). */
function errorUrl(issuer: string, error: AuthorizationError, redirect: ErrorRedirect): string {
  return buildRedirect(redirect.uri, {
    error: error.code,
    error_description: error.description,
    state: redirect.state,
    iss: issuer,
  })
}
