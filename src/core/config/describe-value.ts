const shownLengthMax = 60

/** Names of fields whose values are not shown. */
const secretName = /secret|token|password|passwd|credential|authorization|api[-_]?key|cookie/i
/** The name of a binding is no secret, although it stands in a field for one. */
const bindingName = /^[A-Z][A-Z0-9_]{0,63}$/
/** How well-known credentials begin, wherever they stand. */
const credentialStart = /\b(?:sk-|slc_|gh[a-z]_|xox|eyJ|AKIA)/i
const authorization = /\b(?:bearer|basic)\s+\S/i
/** A long run with letters and digits in it may be a credential of a kind not known here. */
const longRun = /[\w-]{24,}/g

/** Whether the values of a field of this name are not to be shown. */
export function namesSecret(field: string): boolean {
  return secretName.test(field)
}

/**
 * A value as a problem shows it: its kind, or itself in at most about 60 characters. What looks like a secret is
 * described and not shown.
 *
 * @param secretive whether the value stands where secrets do
 */
export function describeValue(value: unknown, secretive: boolean): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'string') return describeText(value, secretive)
  if (typeof value === 'number') return secretive ? 'a number (not shown)' : String(value)
  if (typeof value === 'boolean') return String(value)
  if (value === null) return 'null'
  return typeof value === 'object' ? 'an object' : 'no JSON value'
}

/** A name of the document's own, shortened; hidden when it looks like a secret. */
export function describeName(name: string): string {
  return looksSecret(name) ? '(not shown)' : shorten(name)
}

function describeText(text: string, secretive: boolean): string {
  const hidden = looksSecret(text) || (secretive && !bindingName.test(text) && text !== '')
  if (hidden) return `a string of ${text.length} characters (not shown)`
  return JSON.stringify(shorten(withoutUserinfo(text)))
}

function looksSecret(text: string): boolean {
  if (credentialStart.test(text) || authorization.test(text)) return true
  const runs = text.match(longRun) ?? []
  return runs.some((run) => /\d/.test(run) && /[a-z]/i.test(run) && !bindingName.test(run))
}

/** A URL without the user name, password and query it may carry; a password as people type it may hold `@` and `/`. */
function withoutUserinfo(text: string): string {
  const schemeAt = text.indexOf('://')
  const hostAt = text.lastIndexOf('@')
  const bare =
    schemeAt === -1 || hostAt < schemeAt ? text : `${text.slice(0, schemeAt)}://…${text.slice(hostAt)}`
  return bare.replace(/\?.*$/s, '?…')
}

function shorten(text: string): string {
  return text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}…`
}
