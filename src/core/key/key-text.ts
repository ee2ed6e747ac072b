import { encodeBase62, randomBase62, randomLower32 } from './base62.ts'

/**
 * A key as its holder has it: `slc_<ring>_<account>_<id>_<secret>_<mac>`.
 *
 * The MAC covers everything before it, so a key that nobody issued is refused with no I/O, and a genuine one names the
 * account whose Ledger knows it.
 */
export interface KeyParts {
  /** Entry of the key ring, 1 to 8 of `[0-9a-z]`. */
  readonly ring: string
  readonly account: string
  readonly id: string
  /** 22 base 62 characters, 130 random bits. */
  readonly secret: string
  /** First 96 bits of the HMAC-SHA-256 over `macInput`, 17 base 62 characters. */
  readonly mac: string
}

/** What every key of this gateway begins with. */
export const keyPrefix = 'slc_'

const identifierLength = 10
const secretLength = 22
const macLength = 17
const macBytes = 12

/** Characters of the longest key; a longer text is not a key. */
export const keyTextLengthMax =
  keyPrefix.length + 8 + 1 + identifierLength + 1 + identifierLength + 1 + secretLength + 1 + macLength

const keyPattern = /^slc_([0-9a-z]{1,8})_([0-9a-z]{10})_([0-9a-z]{10})_([0-9A-Za-z]{22})_([0-9A-Za-z]{17})$/
const identifierPattern = /^[0-9a-z]{10}$/

/** Takes a key apart; null when the text does not have a key's shape. Says nothing of whether it is genuine. */
export function parseKeyText(text: string): KeyParts | null {
  if (text.length > keyTextLengthMax) return null
  const match = keyPattern.exec(text)
  if (match === null) return null
  const [, ring = '', account = '', id = '', secret = '', mac = ''] = match
  return { ring, account, id, secret, mac }
}

/** The text of a key. */
export function formatKeyText(parts: KeyParts): string {
  return `${keyPrefix}${parts.ring}_${parts.account}_${parts.id}_${parts.secret}_${parts.mac}`
}

/** As much of a key as is no secret, for people to know it by. */
export function publicPart({ ring, account, id }: KeyParts): string {
  return `${keyPrefix}${ring}_${account}_${id}`
}

/** What the MAC of a key covers; `slc1` is the version of the format. */
export function macInput(parts: Omit<KeyParts, 'mac'>): string {
  return `slc1|${parts.ring}|${parts.account}|${parts.id}|${parts.secret}`
}

/** The MAC as a key carries it: the first 96 bits of the HMAC in 17 base 62 characters. */
export function macText(hmac: Uint8Array): string {
  return encodeBase62(hmac.subarray(0, macBytes), macLength)
}

/** A random account or key id; `draw` gives random bytes. */
export function newIdentifier(draw: (count: number) => Uint8Array): string {
  return randomLower32(identifierLength, draw)
}

/** A random secret of 130 bits; `draw` gives random bytes. */
export function newSecret(draw: (count: number) => Uint8Array): string {
  return randomBase62(secretLength, draw)
}

/** Whether a text has the shape of an account or key id. */
export function isIdentifier(text: string): boolean {
  return identifierPattern.test(text)
}
