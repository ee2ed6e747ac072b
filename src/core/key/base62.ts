const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const lowerAlphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** The largest multiple of 62 that a byte can hold; bytes from here on are drawn again so that none is favoured. */
const unbiasedBelow = 248

/** Bytes read as one big-endian number, in base 62, padded on the left with `0` to `length` characters. */
export function encodeBase62(bytes: Uint8Array, length: number): string {
  let rest = 0n
  for (const byte of bytes) rest = rest * 256n + BigInt(byte)
  let text = ''
  while (rest > 0n) {
    text = alphabet.charAt(Number(rest % 62n)) + text
    rest /= 62n
  }
  return text.padStart(length, '0')
}

/** `length` random base 62 characters, each equally likely; `draw` gives random bytes. */
export function randomBase62(length: number, draw: (count: number) => Uint8Array): string {
  let text = ''
  while (text.length < length) {
    for (const byte of draw(length)) {
      if (byte < unbiasedBelow && text.length < length) text += alphabet.charAt(byte % 62)
    }
  }
  return text
}

/** `length` random characters of 5 bits each: digits and lower-case letters without i, l, o and u. */
export function randomLower32(length: number, draw: (count: number) => Uint8Array): string {
  let text = ''
  for (const byte of draw(length)) text += lowerAlphabet.charAt(byte % 32)
  return text
}
