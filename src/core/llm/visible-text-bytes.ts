export const LF = 10
export const CR = 13
export const quote = 0x22
export const backslash = 0x5c

/** Bytes that end a run inside a string: quote, backslash, control characters. */
export const endsRun = tableOf((byte) => byte === quote || byte === backslash || byte < 0x20)
/** Bytes that mean something between strings. */
export const isStructure = tableOf((byte) => '\n\r"{}[],:'.includes(String.fromCharCode(byte)))
/** Those of them that matter where no text lies below. */
export const isBracket = tableOf((byte) => '\n\r"{}[]'.includes(String.fromCharCode(byte)))

/** 1 for each byte of which `holds` is true. */
function tableOf(holds: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (holds(byte) ? 1 : 0))
}

/** UTF-8 bytes of a UTF-16 code unit; half of a surrogate pair has those of the replacement character. */
export function utf8Bytes(codeUnit: number): number {
  if (codeUnit < 0x80) return 1
  return codeUnit < 0x800 ? 2 : 3
}

/** Value of a hexadecimal digit. */
export function hexValue(byte: number): number {
  return byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57
}
