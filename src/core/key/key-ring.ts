/** One MAC key of the ring. */
interface RingEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

/** MAC keys of client keys. Every entry verifies, `issuing` alone makes new ones. */
export interface KeyRing {
  readonly issuing: RingEntry
  readonly entries: ReadonlyMap<string, RingEntry>
}

/** Why a ring cannot be used; a sentence for the operator that holds no secret. */
export interface KeyRingProblem {
  readonly problem: string
}

const entryBytesMin = 16
const namePattern = /^[0-9a-z]{1,8}$/
const base64urlPattern = /^[0-9A-Za-z_-]+={0,2}$/

/**
 * Reads `name=base64url[,name=base64url...]`, the form of the secret `SLUICE_KEY_RING`. White space around the whole
 * text is allowed, since tools that set secrets leave a line feed.
 *
 * One bad entry makes the whole ring unusable: half a ring would refuse genuine keys and look healthy.
 * @returns the ring; null when the text is empty or missing; the first problem otherwise.
 */
export function parseKeyRing(text: string | undefined): KeyRing | KeyRingProblem | null {
  const trimmed = (text ?? '').trim()
  if (trimmed === '') return null
  const entries = new Map<string, RingEntry>()
  let issuing: RingEntry | null = null
  for (const [index, part] of trimmed.split(',').entries()) {
    const entry = parseEntry(part, index + 1)
    if ('problem' in entry) return entry
    if (entries.has(entry.name)) return { problem: `The ring names the entry "${entry.name}" twice.` }
    entries.set(entry.name, entry)
    issuing ??= entry
  }
  return issuing === null ? null : { issuing, entries }
}

function parseEntry(part: string, position: number): RingEntry | KeyRingProblem {
  const equals = part.indexOf('=')
  const name = part.slice(0, Math.max(equals, 0))
  if (!namePattern.test(name)) {
    return { problem: `Entry ${position} of the ring needs a name of 1 to 8 of [0-9a-z], then "=".` }
  }
  const bytes = decodeBase64url(part.slice(equals + 1))
  if (bytes === null) return { problem: `Entry "${name}" of the ring is not base64url.` }
  if (bytes.length < entryBytesMin) {
    return { problem: `Entry "${name}" of the ring has fewer than ${entryBytesMin} bytes.` }
  }
  return { name, bytes }
}

/** RFC 4648 §5, padding optional. */
function decodeBase64url(text: string): Uint8Array | null {
  const digits = text.replace(/={1,2}$/, '')
  if (!base64urlPattern.test(text) || digits.length % 4 === 1) return null
  const binary = atob(digits.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
