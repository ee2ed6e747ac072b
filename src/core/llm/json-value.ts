export type JsonScalar = string | number | boolean | null
export type JsonValue = JsonScalar | readonly JsonValue[] | { readonly [key: string]: JsonValue }

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Bytes up to which a text is put together faster here than by the decoder. */
const shortBytesMax = 64

/** Decodes bytes that are known to be a JSON value. */
export function decodeValue(bytes: Uint8Array): JsonValue {
  const short = bytes.length <= shortBytesMax && isUnescapedAscii(bytes)
  return JSON.parse(short ? asciiText(bytes) : decoder.decode(bytes)) as JsonValue
}

/** Whether bytes are ASCII without a backslash. */
export function isUnescapedAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    if (byte === 0x5c || byte >= 0x80) return false
  }
  return true
}

function asciiText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 1) text += String.fromCharCode(bytes[at] as number)
  return text
}
