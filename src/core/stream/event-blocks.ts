import { unfinishedEvent } from './sse-tail.ts'

/** An event longer than this is passed on as it comes, so that memory stays bounded. */
const carryBytesMax = 1_048_576

/**
 * Cuts an event stream into blocks of whole events, whatever the chunks it arrives in. Bytes are neither changed nor
 * lost.
 */
export class EventBlocks {
  #carry: Uint8Array = new Uint8Array(0)
  #gaveUp = false

  /** @returns the whole events that are there now, as one block; empty when none is */
  push(chunk: Uint8Array): Uint8Array {
    const bytes = this.#carry.length === 0 ? chunk : joined(this.#carry, chunk)
    const rest = unfinishedEvent(bytes, true) ?? bytes
    if (rest.length > carryBytesMax) this.#gaveUp = true
    if (this.#gaveUp) {
      this.#carry = new Uint8Array(0)
      return bytes
    }
    // A copy, since the chunk's buffer is the reader's.
    this.#carry = rest.slice()
    return bytes.subarray(0, bytes.length - rest.length)
  }

  /** What is left without a blank line after it. */
  rest(): Uint8Array {
    return this.#carry
  }

  /** Whether what was given out ends between events. */
  get isBetweenEvents(): boolean {
    return !this.#gaveUp
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length)
  bytes.set(first)
  bytes.set(second, first.length)
  return bytes
}
