import { equalBytes } from '../core/key/constant-time.ts'
import { keyPrefix } from '../core/key/key-text.ts'
import type { Digest } from '../ports.ts'

/** A shorter token counts as none. */
const operatorTokenLengthMin = 16
const tokenLengthMax = 512
const bearerPattern = /^bearer +(\S+)$/i

/** Whether the Worker has an operator token at all; without one the admin API does not exist. */
export function hasOperatorToken(expected: string | undefined): expected is string {
  return expected !== undefined && expected.length >= operatorTokenLengthMin
}

/**
 * Whether an `Authorization` header carries the operator's token; compared by SHA-256 in constant time. A client key is
 * never one, even if somebody sets the token to a key.
 */
export async function isOperator(header: string | null, expected: string, digest: Digest): Promise<boolean> {
  const token = bearerPattern.exec(header ?? '')?.[1] ?? ''
  if (token.length < operatorTokenLengthMin || token.length > tokenLengthMax) return false
  if (token.startsWith(keyPrefix)) return false
  const [presented, wanted] = await Promise.all([digest.sha256(token), digest.sha256(expected)])
  return equalBytes(presented, wanted)
}
