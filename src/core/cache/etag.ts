/** An entity tag as its opaque text, quotes and weakness taken off. */
interface EntityTag {
  readonly opaque: string
  readonly weak: boolean
}

const strict = /^(W\/)?("[\x21\x23-\x7e\x80-\u{ff}]*")$/u

/** Reads one entity tag (RFC 9110 §8.8.3); what breaks the grammar is a strong tag of its own text. */
function readTag(text: string): EntityTag {
  const [, weak, opaque] = strict.exec(text) ?? []
  return opaque === undefined ? { opaque: text, weak: false } : { opaque, weak: weak !== undefined }
}

const listed = /(?:W\/)?"[^"]*"|[^\s,]+/gu

/** Whether an If-None-Match lists the tag, by weak comparison (RFC 9110 §8.8.3.2); `*` matches any. */
export function listsTag(ifNoneMatch: string, etag: string | null): boolean {
  if (ifNoneMatch.trim() === '*') return true
  if (etag === null) return false
  const { opaque } = readTag(etag)
  return (ifNoneMatch.match(listed) ?? []).some((each) => readTag(each).opaque === opaque)
}

/** Whether both are the same strong tag (RFC 9110 §8.8.3.2). Text that is no entity tag is never strong. */
export function sameStrongTag(one: string | null, other: string | null): boolean {
  return one !== null && one === other && isStrongTag(one)
}

/** Whether the text is a strong entity tag. */
export function isStrongTag(etag: string | null): boolean {
  return etag !== null && strict.test(etag) && !etag.startsWith('W/')
}
