import type { Outcome } from '../../core/outcome.ts'
import type { Clock } from '../../ports.ts'
import { unreadable } from './carry-body.ts'

/**
 * Reads a body of declared length into memory.
 * @returns refusals `body_too_slow`; `malformed_request` for a body that breaks off
 */
export async function readWhole(
  stream: ReadableStream<Uint8Array>,
  length: number,
  { patienceMs, clock }: { readonly patienceMs: number; readonly clock: Clock },
): Promise<Outcome<Uint8Array>> {
  const reader = stream.getReader({ mode: 'byob' })
  const bytes = new Uint8Array(length)
  let late = false
  const cancelTimer = clock.after(patienceMs, () => {
    late = true
    reader.cancel().catch(() => {})
  })
  try {
    const { value } = await reader.readAtLeast(Math.max(1, length), bytes)
    if (late) return { refused: 'body_too_slow', afterMs: patienceMs }
    return value !== undefined && value.length === length ? value : unreadable
  } catch {
    return late ? { refused: 'body_too_slow', afterMs: patienceMs } : unreadable
  } finally {
    cancelTimer()
  }
}
