/** FNV-1a offset basis and prime (32 bits). */
const basis = 0x811c9dc5
const prime = 0x01000193

/** A hash of a text, in 32 bits. */
export function hashText(text: string): number {
  let hash = basis
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), prime)
  return mix(hash)
}

/** A hash of the first bytes of a body, in 32 bits. */
export function hashPrefix(bytes: Uint8Array, bytesMax: number): number {
  const end = Math.min(bytes.length, bytesMax)
  let hash = basis
  for (let at = 0; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), prime)
  return mix(hash)
}

/**
 * Rank of a target for a key (weighted rendezvous hashing): the same key has the same order of targets everywhere, and
 * a target that goes moves only the keys it had. Higher goes first.
 *
 * @param weight 0 ranks last
 */
export function rendezvousRank(key: number, target: number, weight: number): number {
  if (weight <= 0) return -1
  // In (0, 1): neither end would have a logarithm to divide by.
  const drawn = (mix(key ^ Math.imul(target, 0x9e3779b1)) + 0.5) / 2 ** 32
  return -weight / Math.log(drawn)
}

/** A share in [0, 1) that belongs to a key. */
export function shareOf(key: number): number {
  return mix(key ^ 0x5bd1e995) / 2 ** 32
}

/** Spreads what neighbours differ in over all bits (MurmurHash3's finaliser). */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
