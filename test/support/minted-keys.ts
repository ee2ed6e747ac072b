import { Buffer } from 'node:buffer'
import { createHmac, randomBytes } from 'node:crypto'
import {
  formatKeyText,
  type KeyParts,
  macInput,
  macText,
  newIdentifier,
  newSecret,
} from '../../src/core/key/key-text.ts'

const draw = (count: number): Uint8Array => randomBytes(count)

/** A key of the right shape under a name of the ring, with a MAC that nobody made. */
export function forgedKey(ring: string): string {
  return formatKeyText({ ...newParts(ring, newIdentifier(draw)), mac: macText(randomBytes(32)) })
}

/** A key with a good MAC that no Ledger has ever heard of. */
export function unissuedKey(ring: string, account: string): string {
  const parts = newParts(ring, account)
  const hmac = createHmac('sha256', Buffer.from(bytesOf(ring), 'base64url'))
    .update(macInput(parts))
    .digest()
  return formatKeyText({ ...parts, mac: macText(hmac) })
}

/** The key with the character at `at` turned into another one that may stand there. */
export function flipped(key: string, at: number): string {
  const character = key.charAt(at)
  const other = /[0-9a-z]/.test(character) ? (character === 'a' ? 'b' : 'a') : 'x'
  return key.slice(0, at) + other + key.slice(at + 1)
}

/** Every key that differs from this one in its last character alone. */
export function withOtherEnds(key: string): string[] {
  const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  return Array.from(base62)
    .filter((end) => end !== key.at(-1))
    .map((end) => key.slice(0, -1) + end)
}

function newParts(ring: string, account: string): Omit<KeyParts, 'mac'> {
  return { ring: ring.split('=')[0] ?? '', account, id: newIdentifier(draw), secret: newSecret(draw) }
}

function bytesOf(ring: string): string {
  return ring.slice(ring.indexOf('=') + 1)
}
