/** A path in its one spelling, or the sentence that tells the client what is wrong with it. */
export type CanonicalPath =
  | { readonly path: string; readonly encodedSlash: boolean }
  | { readonly problem: string }

/** Most paths: nothing encoded, no segment that begins with a dot, no empty inner segment. */
const plainPath = /^(?:\/[\w\-~!$&'()*+,=:@][\w\-.~!$&'()*+,=:@]*)*\/?$/

/** Looked for in the path as the client spelled it. */
const rawProblems: readonly (readonly [RegExp, string])[] = [
  [/[^!-~]/, 'The path holds a space, a control character or one outside ASCII; percent-encode it as UTF-8.'],
  [/\\/, 'The path holds a backslash; separate path segments with `/`.'],
  [/#/, 'The URL holds a fragment; send it without `#` and what follows.'],
  [/\?/, 'The path holds a question mark; percent-encode it as `%3F`.'],
  [/^[^/]/, 'The path does not begin with `/`; send one that does.'],
  [
    /%(?![0-9a-f]{2})/i,
    'A `%` in the path has no two hexadecimal digits after it; write a percent sign as `%25`.',
  ],
]

/** Looked for once every octet has its one spelling, so that no way of encoding hides them. */
const normalisedProblems: readonly (readonly [RegExp, string])[] = [
  [/%(?:[01][0-9A-F]|7F)/, 'The path holds an encoded control character; send it without.'],
  [/%5C/, 'The path holds an encoded backslash; separate path segments with `/`.'],
  [/%3B/, 'The path holds an encoded semicolon; send `;` as it stands or leave it out.'],
  [/%25[0-9a-f]{2}/i, 'The path is percent-encoded twice; encode it once.'],
  [/(?:\/|%2F)\.{1,2}(?:\/|%2F|;|$)/, 'The path holds a `.` or `..` segment; send the path it stands for.'],
  [/\/\//, 'The path holds an empty segment; send single slashes.'],
]

const unreserved = /[A-Za-z0-9\-._~]/

/**
 * Gives a path its one spelling (RFC 3986 §6.2.2): unreserved characters decoded, other percent-encoding in upper
 * case, characters that a URL encodes anyway encoded. An empty path becomes `/`. What servers are known to read in
 * two ways (dot segments in any spelling, backslashes, double encoding, `..;`, empty segments, encoded control
 * characters and semicolons, octets that are not UTF-8) is refused rather than repaired.
 */
export function canonicalPath(raw: string): CanonicalPath {
  if (plainPath.test(raw)) return { path: raw === '' ? '/' : raw, encodedSlash: false }
  const rawProblem = firstProblem(rawProblems, raw)
  if (rawProblem !== null) return { problem: rawProblem }
  const path = raw.replaceAll(/%[0-9a-f]{2}|["<>^`{|}]/gi, normaliseOctet)
  const problem = firstProblem(normalisedProblems, path)
  if (problem !== null) return { problem }
  if (!isUtf8(path)) {
    return { problem: 'The percent-encoded path is not UTF-8; encode its characters as UTF-8.' }
  }
  return { path, encodedSlash: path.includes('%2F') }
}

function firstProblem(problems: readonly (readonly [RegExp, string])[], path: string): string | null {
  return problems.find(([pattern]) => pattern.test(path))?.[1] ?? null
}

function normaliseOctet(found: string): string {
  if (found.length === 1) return `%${found.charCodeAt(0).toString(16).toUpperCase()}`
  const character = String.fromCharCode(Number.parseInt(found.slice(1), 16))
  return unreserved.test(character) ? character : found.toUpperCase()
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
