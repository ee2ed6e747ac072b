import { isUnescapedAscii } from './json-value.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Bytes of the longest spelling of one character of a key: `\u006d`. */
const escapeBytes = 6
const caseBit = 0x20

/** How a key of a body stands to the watched ones. */
export type KeyMatch = { readonly key: string; readonly exact: boolean } | null

interface Candidate {
  readonly key: string
  readonly folded: string
  readonly bytes: Uint8Array
  readonly exact: KeyMatch
  readonly variant: KeyMatch
}

/**
 * The keys of an object that are looked for. A key that differs from one of them only in case counts as its variant:
 * Go's `encoding/json` takes `Model` for `model`, and even `ſtream` for `stream`.
 */
export class WatchedKeys {
  /** Bytes between the quotes beyond which no key can be a watched one, however it is spelled. */
  readonly spellingBytesMax: number
  private readonly keys: ReadonlySet<string>
  private readonly byLength = new Map<number, Candidate[]>()
  private readonly byFold = new Map<string, Candidate>()

  /** @param keys that differ from one another in more than case */
  constructor(keys: Iterable<string>) {
    this.keys = new Set(keys)
    for (const key of this.keys) {
      const bytes = encoder.encode(key)
      const matches = { exact: { key, exact: true }, variant: { key, exact: false } }
      const candidate = { key, folded: fold(key), bytes, ...matches }
      this.byFold.set(candidate.folded, candidate)
      this.byLength.set(bytes.length, [...(this.byLength.get(bytes.length) ?? []), candidate])
    }
    this.spellingBytesMax = Math.max(0, ...this.byLength.keys()) * escapeBytes
  }

  has(key: string): boolean {
    return this.keys.has(key)
  }

  /** @param spelling the bytes between the quotes of a key, known to be a valid JSON string */
  match(spelling: Uint8Array): KeyMatch {
    if (spelling.length > this.spellingBytesMax) return null
    if (!isUnescapedAscii(spelling)) return this.matchSpelled(spelling)
    for (const candidate of this.byLength.get(spelling.length) ?? []) {
      if (sameButFor(0, spelling, candidate.bytes)) return candidate.exact
      if (sameButFor(caseBit, spelling, candidate.bytes)) return judge(candidate, decoder.decode(spelling))
    }
    return null
  }

  private matchSpelled(spelling: Uint8Array): KeyMatch {
    const text = JSON.parse(`"${decoder.decode(spelling)}"`) as string
    const candidate = this.byFold.get(fold(text))
    return candidate === undefined ? null : judge(candidate, text)
  }
}

function judge({ key, folded, exact, variant }: Candidate, text: string): KeyMatch {
  if (text === key) return exact
  return fold(text) === folded ? variant : null
}

/** Whether bytes are the same when some bits of them are set. */
function sameButFor(bits: number, some: Uint8Array, others: Uint8Array): boolean {
  for (let at = 0; at < others.length; at += 1) {
    if (((some[at] as number) | bits) !== ((others[at] as number) | bits)) return false
  }
  return true
}

/** One spelling for all that Unicode's simple case folding takes for the same, and a few more. */
export function fold(text: string): string {
  return text.toUpperCase().toLowerCase()
}
