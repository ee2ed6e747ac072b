/** Four or fewer groups of a dotted address, each of one to three digits, no leading zero: octal there is ambiguous. */
const dotted = /^(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}$/

/** What an IPv6 text may consist of (RFC 4291 §2.2); a zone (RFC 4007 §11) speaks of one host only and is dropped. */
const colonned = /^([0-9a-f:.]{2,45})(?:%[\w.~-]{1,32})?$/i

const groupCount = 8

/**
 * The one spelling of an IP address: IPv4 dotted; IPv6 as RFC 5952 writes it, without a zone; an IPv4 address mapped
 * into IPv6 (RFC 4291 §2.5.5.2) as the IPv4 address it is.
 * @returns null for anything that is not exactly one address: ports, brackets, lists, octal or short IPv4
 */
export function canonicalAddress(text: string): string | null {
  if (dotted.test(text)) return octetsOf(text) === null ? null : text
  const groups = groupsOf(text)
  if (groups === null) return null
  return mappedIpv4(groups) ?? written(groups)
}

/**
 * Whom an address stands for where something is counted by address: an IPv4 address for itself, an IPv6 address for its
 * /64, since whoever has one address there has them all (RFC 4291 §2.5.4, RFC 6177).
 * @returns for example `203.0.113.7` or `2001:db8:1:2::/64`; null as `canonicalAddress`
 */
export function addressBucket(text: string): string | null {
  if (dotted.test(text)) return canonicalAddress(text)
  const groups = groupsOf(text)
  if (groups === null) return null
  const network = groups.map((group, at) => (at < groupCount / 2 ? group : 0))
  return mappedIpv4(groups) ?? `${written(network)}/64`
}

function octetsOf(text: string): readonly number[] | null {
  const octets = text.split('.').map(Number)
  return octets.every((octet) => octet <= 255) ? octets : null
}

/** The eight 16-bit groups of an IPv6 address, or null. */
function groupsOf(text: string): readonly number[] | null {
  const address = colonned.exec(text)?.[1]
  if (address === undefined) return null
  const [before = '', after, ...more] = withHexTail(address)?.split('::') ?? []
  if (more.length > 0) return null
  const [head, tail] = [before, after ?? ''].map((part) => (part === '' ? [] : part.split(':'))) as [
    string[],
    string[],
  ]
  const missing = groupCount - head.length - tail.length
  // Without `::` all groups are there; with it at least one is not.
  if (after === undefined ? missing !== 0 : missing < 1) return null
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : null
}

/** The address with an IPv4 address at its end (RFC 4291 §2.2.3) written as two groups. */
function withHexTail(address: string): string | null {
  if (!address.includes('.')) return address
  const at = address.lastIndexOf(':') + 1
  const octets = dotted.test(address.slice(at)) ? octetsOf(address.slice(at)) : null
  if (octets === null || at === 0) return null
  const [a = 0, b = 0, c = 0, d = 0] = octets
  return `${address.slice(0, at)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

function mappedIpv4(groups: readonly number[]): string | null {
  if (groups[5] !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return null
  const [high = 0, low = 0] = groups.slice(6)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** RFC 5952 §4: lower case, no leading zeros, the first of the longest runs of two or more zeros as `::`. */
function written(groups: readonly number[]): string {
  const texts = groups.map((group) => group.toString(16))
  const { at, length } = longestZeros(groups)
  if (length < 2) return texts.join(':')
  return `${texts.slice(0, at).join(':')}::${texts.slice(at + length).join(':')}`
}

function longestZeros(groups: readonly number[]): { readonly at: number; readonly length: number } {
  let best = { at: 0, length: 0 }
  let length = 0
  for (const [at, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { at: at + 1 - length, length }
  }
  return best
}
