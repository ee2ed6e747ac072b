import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Clock } from '../../ports.ts'
import { unreadable } from './carry-body.ts'

interface Patience {
  readonly patienceMs: number
  /** Aborted when the client has left. */
  readonly signal: AbortSignal
  readonly clock: Clock
}

/** The first bytes of a body, or all of it where it ends with them. */
interface BodyFront {
  readonly bytes: Uint8Array
  readonly isWhole: boolean
}

/**
 * Reads a body of declared length into memory.
 * @returns refusals `body_too_slow`, `client_left`; `malformed_request` for a body that breaks off
 */
export function readWhole(
  stream: ReadableStream<Uint8Array>,
  length: number,
  patience: Patience,
): Promise<Outcome<Uint8Array>> {
  return gather(stream, length, patience, (bytes) => (bytes.length === length ? bytes : unreadable))
}

/**
 * Reads a body of unknown length into memory, up to one byte more than `bytesMax`. The rest of it can still be read.
 * @returns refusals as of `readWhole`
 */
export function readFront(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
  patience: Patience,
): Promise<Outcome<BodyFront>> {
  return gather(stream, bytesMax + 1, patience, (bytes) =>
    // Of a short body no more is held than it has.
    bytes.length > bytesMax ? { bytes, isWhole: false } : { bytes: bytes.slice(), isWhole: true },
  )
}

async function gather<T>(
  stream: ReadableStream<Uint8Array>,
  length: number,
  patience: Patience,
  judge: (bytes: Uint8Array) => Outcome<T>,
): Promise<Outcome<T>> {
  const read = await readUpTo(stream, length, patience)
  const gathered = isRefusal(read) ? read : judge(read)
  // A client that has left cannot be told what was wrong with its body.
  return isRefusal(gathered) && patience.signal.aborted ? { refused: 'client_left' } : gathered
}

/** Reads so many bytes, or all there are. One read, however small the pieces are in which they come. */
async function readUpTo(
  stream: ReadableStream<Uint8Array>,
  length: number,
  { patienceMs, clock }: Patience,
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
    return value ?? new Uint8Array(0)
  } catch {
    return late ? { refused: 'body_too_slow', afterMs: patienceMs } : unreadable
  } finally {
    cancelTimer()
    reader.releaseLock()
  }
}
