import { createHash } from 'node:crypto'
import { displayExact, displayHost } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { style } from './style.ts'

export type LayoutProps = {
  /** Names the page in the browser's tab; neutralised by the caller. */
  title: string
  issuerHost: string
  /** Printed on the stub, so that a person can read it to an administrator. */
  ticketNumber?: string
}

/** The one frame of every page: a coat-check ticket, whose stub says whose cloakroom this is, and what it is for. */
export function layout(props: LayoutProps, content: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${props.title} · Coatcheck</title>
<link rel="icon" href="${icon}">
<style>${style}</style>
</head>
<body>
<div class="ticket">
<header class="stub">
<div class="house">
<p class="brand">${hanger}<span>Coatcheck</span></p>
<p class="place">${displayHost(props.issuerHost)}</p>
</div>
${props.ticketNumber === undefined ? undefined : html`<p class="number">Number ${displayExact(props.ticketNumber, 64)}</p>`}
</header>
<main class="slip">
${content}
</main>
</div>
<footer class="small-print"><p>Coatcheck signs you in to MCP servers and keeps the keys to your accounts, so that no MCP client ever holds one.</p></footer>
</body>
</html>
`
}

const hanger = html`<svg class="hanger" viewBox="0 0 48 32" aria-hidden="true" focusable="false"><path d="M19.5 8.5a4.5 4.5 0 1 1 6.6 4c-1.4.7-2.1 1.5-2.1 3v.8L44.6 26a1.8 1.8 0 0 1-.8 3.4H4.2A1.8 1.8 0 0 1 3.4 26L24 16.3" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>`

const icon =
  'data:image/svg+xml,' +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" rx="10" fill="#1d4a3e"/><path d="M19.5 16.5a4.5 4.5 0 1 1 6.6 4c-1.4.7-2.1 1.5-2.1 3v.8L40 32a1.8 1.8 0 0 1-.8 3.4H8.8A1.8 1.8 0 0 1 8 32l16-7.7" fill="none" stroke="#f3ead2" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>',
  )

const styleHash = createHash('sha256').update(String(style)).digest('base64')

const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  'img-src data:',
  "base-uri 'none'",
  "frame-ancestors 'none'",
  // No form-action: Chromium holds every redirect that follows a form's POST to it, and that chain ends at the client.
].join('; ')

/**
 * The headers a page is sent with. A page with a form must let the browser name its origin: under `no-referrer` it
 * sends `Origin: null` with the POST, and the check against forged requests would lock everybody out.
 */
export function pageHeaders(page: Html): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    ...securityHeaders(String(page).includes('<form ') ? 'same-origin' : 'no-referrer'),
  }
}

/** What `pageHeaders` adds to the content type; also fit for a redirect that answers a form. */
export function securityHeaders(referrerPolicy: 'same-origin' | 'no-referrer'): Record<string, string> {
  return {
    'content-security-policy': contentSecurityPolicy,
    'x-frame-options': 'DENY',
    'referrer-policy': referrerPolicy,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // Any stricter value cuts the tie to the window that opened us, for good: web clients open the authorization
    // in a popup, and their callback page reports to `window.opener`.
    'cross-origin-opener-policy': 'unsafe-none',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  }
}
