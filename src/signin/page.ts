/**
 * What the browser shows when it comes back. The pages load nothing, run nothing, may be framed by nobody and keep the
 * URL to themselves: it holds the code.
 */
import type { OutgoingHttpHeaders } from "node:http"

export interface Page {
  readonly status: number
  readonly title: string
  readonly text: string
}

export const signedIn = (name: string): Page => ({
  status: 200,
  title: "Signed in",
  text: `tokenkeep keeps ${name} from now on. You can close this window.`,
})

export const failed = (message: string): Page => ({
  status: 400,
  title: "Not signed in",
  text: `${message}. The terminal says what to do next.`,
})

export const foreign: Page = {
  status: 400,
  title: "Not an answer to this sign-in",
  text: "This address belongs to a sign-in with tokenkeep, and what came is no answer to it. Nothing has happened.",
}

export const headers: OutgoingHttpHeaders = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
  connection: "close",
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

export const html = ({ status, text, title }: Page): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)} · tokenkeep</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { margin: 20vh auto 0; max-width: 32rem; padding: 0 1.5rem }
  h1 { font-size: 1.5rem; color: ${status === 200 ? "light-dark(#116329, #56d364)" : "light-dark(#a40e26, #ff7b72)"} }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(text)}</p>
`
