import { equalText } from '../core/key/constant-time.ts'
import { hexOf } from '../core/hex.ts'
import type { KeyRing } from '../core/key/key-ring.ts'
import { macInput, macText, type KeyParts } from '../core/key/key-text.ts'
import type { Digest } from '../ports.ts'

/** Whether a key was issued under this ring. No I/O; compared as text in constant time. */
export async function isGenuine(parts: KeyParts, ring: KeyRing, digest: Digest): Promise<boolean> {
  const entry = ring.entries.get(parts.ring)
  if (entry === undefined) return false
  const hmac = await digest.hmacSha256(entry.bytes, macInput(parts))
  return equalText(macText(hmac), parts.mac)
}

/** SHA-256 of a key's whole text in lower-case hex, as its record holds it. */
export async function keyHash(text: string, digest: Digest): Promise<string> {
  return hexOf(await digest.sha256(text))
}
