import { Buffer } from 'node:buffer'

/** Secrets by the name of their kind, so that a scan tells what leaked. */
export type Canaries = Readonly<Record<string, string>>

/**
 * Names of the secrets that stand in the bytes, as they are or in a common coding.
 * @param bytes what was logged, sent or stored
 */
export function leaks(bytes: string | Uint8Array, canaries: Canaries): string[] {
  const hay = Buffer.from(bytes)
  return Object.entries(canaries)
    .filter(([, secret]) => spellings(secret).some((spelling) => hay.includes(spelling)))
    .map(([name]) => name)
}

/** The random part of a client key: where that is, the key has leaked, whatever else was cut off. */
export function secretPart(key: string): string {
  const part = key.split('_')[4]
  if (part === undefined) throw new Error('not a client key')
  return part
}

function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [secret, encodeURIComponent(secret), bytes.toString('base64'), bytes.toString('hex')]
}
