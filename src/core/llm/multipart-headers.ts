import { isRefusal, type Outcome } from '../outcome.ts'
import { malformed } from './json-refusal.ts'

/** Bytes of the headers of one part. */
export const partHeadersBytesMax = 8 * 1024

/** What the headers of a part say (RFC 7578 §4). */
export interface PartHeaders {
  readonly name: string
  /** Whether the part is a file, or text of another kind than plain UTF-8. */
  readonly plainText: boolean
}

/** White space between parameters; bounded, so that no pattern here takes more than linear time. */
const space = '[ \\t]{0,9}'
// RFC 2046 §5.1.1, with a space only where quotes allow one.
const boundaryPattern = new RegExp(
  `^multipart/form-data${space};${space}boundary=(?:"([\\w'()+,\\-./:=? ]{1,70})"|([\\w'+\\-.]{1,70}))$`,
  'i',
)
const charsetPattern = new RegExp(`;${space}charset="?utf-8"?(?=;|$)`, 'i')
const token = "[\\w!#$%&'*+.^`|~-]+"
const quoted = '"(?:[^"\\\\]|\\\\(?!"))*"'
const dispositionPattern = new RegExp(
  `^form-data${space};${space}name=(?<name>${token}|"[^"\\\\]*")` +
    `(?<file>${space};${space}filename=(?:${token}|${quoted}))?` +
    `(?<extended>${space};${space}filename\\*=${token})?;?$`,
  'i',
)
const headerPattern = new RegExp(`^(${token}):(.*)$`)
const plainTextPattern = /^text\/plain(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i
const identityEncodings = new Set(['7bit', '8bit', 'binary'])

/**
 * Reads the boundary of a `multipart/form-data` body.
 * @param contentType the header as it came
 * @returns refusal `malformed_request` when it is anything else than one plain boundary
 */
export function multipartBoundary(contentType: string): Outcome<string> {
  const match = boundaryPattern.exec(contentType.trim().replace(charsetPattern, ''))
  const boundary = match?.[1] ?? match?.[2]
  if (boundary !== undefined && !boundary.endsWith(' ')) return boundary
  return malformed(
    'The content type has no plain boundary; send `multipart/form-data; boundary=...` and no more.',
  )
}

/**
 * Reads the headers of a part as strictly as the most different servers do: `name` first, without escapes, and nothing
 * that would let a server find another name or another text in it.
 * @param block the header lines without the empty line that ends them, as UTF-8
 * @returns refusal `malformed_request`
 */
export function readPartHeaders(block: string, offset: number): Outcome<PartHeaders> {
  const headers = splitHeaders(block, offset)
  if (isRefusal(headers)) return headers
  const type = headers.get('content-type') ?? 'text/plain'
  if (/^(?:multipart|message)\//i.test(type)) {
    return malformed(`The part at byte ${offset} has parts of its own; send each as a part of the form.`)
  }
  const disposition = readDisposition(headers.get('content-disposition') ?? '')
  const encoding = headers.get('content-transfer-encoding') ?? 'binary'
  if (disposition === null || !identityEncodings.has(encoding.toLowerCase())) {
    return malformed(
      `The part at byte ${offset} needs a content-disposition \`form-data; name="..."\` and no transfer encoding.`,
    )
  }
  const { name, file } = disposition
  return { name, plainText: !file && plainTextPattern.test(type) }
}

/** @returns `null` when a server could find another name in it: a file called `"; name=x`, for one */
function readDisposition(value: string): { readonly name: string; readonly file: boolean } | null {
  const { name, file = '', extended = '' } = dispositionPattern.exec(value)?.groups ?? {}
  const files = `${file}${extended}`
  if (name === undefined || /name=/i.test(files.replaceAll(/filename\*?=/gi, ''))) return null
  return { name: name.startsWith('"') ? name.slice(1, -1) : name, file: files !== '' }
}

function splitHeaders(block: string, offset: number): Outcome<ReadonlyMap<string, string>> {
  const headers = new Map<string, string>()
  for (const line of block.split('\r\n')) {
    const match = headerPattern.exec(line)
    const name = match?.[1]?.toLowerCase()
    if (name === undefined || headers.has(name) || /[\p{Cc}]/u.test(line.replaceAll('\t', ' '))) {
      return malformed(`The part at byte ${offset} has a malformed, folded or repeated header; correct it.`)
    }
    headers.set(name, (match?.[2] ?? '').trim())
  }
  return headers
}
