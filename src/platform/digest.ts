import type { Digest } from '../ports.ts'

const encoder = new TextEncoder()

/** WebCrypto. */
export const digest: Digest = {
  async sha256(text) {
    return new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)))
  },
  async hmacSha256(key, text) {
    const algorithm = { name: 'HMAC', hash: 'SHA-256' }
    const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign'])
    return new Uint8Array(await crypto.subtle.sign(algorithm.name, imported, encoder.encode(text)))
  },
}
