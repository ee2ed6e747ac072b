import { canonicalPath } from '../route/canonical-path.ts'
import { note, type Reader } from './place.ts'

/** Where a target is: `origin` as URL gives it, and the path before every request's own. */
export interface TargetAddress {
  readonly origin: string
  readonly basePath: string
}

const originLengthMax = 2_048
const originForm = /^https?:\/\/[^\s/?#\\@]+(\/[^\s?#\\]*)?$/

/** `https://host[:port][/base]`, with no user name, query or fragment. */
export const targetAddress: Reader<TargetAddress> = (place) => {
  const address = typeof place.value === 'string' ? addressOf(place.value) : null
  if (address !== null) return address
  note(place, 'an http or https URL with no user name, query, fragment or dot segments')
  return undefined
}

function addressOf(text: string): TargetAddress | null {
  const form = originForm.exec(text)
  if (form === null || text.length > originLengthMax || !URL.canParse(text)) return null
  const written = form[1] ?? '/'
  const canonical = canonicalPath(written)
  if ('problem' in canonical || canonical.path !== written || canonical.encodedSlash) return null
  return { origin: new URL(text).origin, basePath: written.replace(/\/$/, '') }
}
