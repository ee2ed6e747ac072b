import { unfinishedEvent } from './sse-tail.ts'

/** An event longer than this is passed on as it comes, so that memory stays bounded. */
const carryBytesMax = 1_048_576
const carryBytesMin = 4_096
/** The longest blank line is CRLF CRLF; it may begin this many bytes before a new chunk. */
const overlapBytes = 3

/**
 * Cuts an event stream into blocks of whole events, whatever the chunks it arrives in. Bytes are neither changed nor
 * lost, and each is looked at once.
 */
export class EventBlocks {
  /** Holds an unfinished event; grows by doubling. */
  #carry = new Uint8Array(carryBytesMin)
  #length = 0
  #gaveUp = false

  /** @returns the whole events that are there now, as one block; empty when none is. Valid until the next push. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#gaveUp) return chunk
    if (this.#length === 0) {
      const rest = unfinishedEvent(chunk, true) ?? chunk
      if (rest.length > carryBytesMax) {
        this.#gaveUp = true
        return chunk
      }
      this.#keep(rest)
      return chunk.subarray(0, chunk.length - rest.length)
    }
    const from = Math.max(0, this.#length - overlapBytes)
    this.#keep(chunk)
    const held = this.#carry.subarray(0, this.#length)
    const rest = unfinishedEvent(held.subarray(from), false)
    if (rest !== null) return this.#giveOut(held.length - rest.length)
    if (this.#length <= carryBytesMax) return none
    this.#gaveUp = true
    return this.#giveOut(this.#length)
  }

  /** What is left without a blank line after it. */
  rest(): Uint8Array {
    return this.#carry.subarray(0, this.#length)
  }

  /** Whether what was given out ends between events. */
  get isBetweenEvents(): boolean {
    return !this.#gaveUp
  }

  #keep(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length
    if (needed > this.#carry.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#carry.length))
      grown.set(this.rest())
      this.#carry = grown
    }
    this.#carry.set(bytes, this.#length)
    this.#length = needed
  }

  /** A copy of the first bytes held, which are then held no more. */
  #giveOut(length: number): Uint8Array {
    const block = this.#carry.slice(0, length)
    this.#carry.copyWithin(0, length, this.#length)
    this.#length -= length
    return block
  }
}

const none = new Uint8Array(0)
