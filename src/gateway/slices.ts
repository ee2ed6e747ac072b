import { estimateInput, type TokenEstimator } from '../core/llm/estimate.ts'
import { showEvent, type LengthEnd } from '../core/llm/length-end.ts'
import { VisibleTextCounter } from '../core/llm/visible-text.ts'
import type { Awaitable } from '../core/outcome.ts'
import { blockEvents } from '../core/stream/block-events.ts'
import { within } from '../core/within.ts'
import type { Clock, Grant, LlmRequest } from '../ports.ts'

/** What of a block may be passed on, and whether the stream ends behind it. */
export interface Passage {
  readonly bytes: Uint8Array
  readonly over: boolean
}

export interface SliceTerms {
  readonly grant: Pick<Grant, 'extend' | 'reservedOutputTokens'>
  readonly llm: LlmRequest
  readonly estimator: TokenEstimator
  readonly end: LengthEnd
  readonly clock: Clock
  /** Sees each event that is passed on. */
  see(event: Uint8Array): void
}

/** A block on its way, and the event that is looked at. */
interface Walk {
  readonly block: Uint8Array
  readonly events: Iterator<Uint8Array, void>
  event: Uint8Array | null
  passed: number
}

/** Longer than the limits ever take to answer; who is later has said no. */
const patienceMs = 1_500
/** However small the first slice was, so many are asked for at once. */
const sliceTokensMin = 64

const encoder = new TextEncoder()

/**
 * Lets a stream through as long as output tokens are reserved for it. Text is counted as it passes; when half a slice is
 * left, another one is asked for, and nobody waits for the answer before the slice is used up.
 */
export class Slices {
  readonly #terms: SliceTerms
  readonly #text = new VisibleTextCounter('events')
  /** As the stream names it, which is what its tokens are counted by. */
  #model: string | null
  readonly #sliceTokens: number
  /** What the client allows in all; its upstream ends the stream by itself there. */
  readonly #tokensMax: number
  #reserved: number
  #passedTokens = 0
  /** The answer to a request for more that is on its way. */
  #asked: Promise<boolean> | null = null
  /** Whether the last answer was no; then more is asked for only when there is no other way. */
  #denied = false

  constructor(terms: SliceTerms) {
    const { forecast } = terms.llm
    this.#terms = terms
    this.#model = terms.llm.facts().model
    this.#reserved = terms.grant.reservedOutputTokens
    this.#sliceTokens = Math.max(sliceTokensMin, this.#reserved)
    this.#tokensMax = (forecast?.outputTokensMax ?? Infinity) * (forecast?.choices ?? 1)
  }

  /**
   * @param block whole events; it must stay as it is until this has answered
   * @returns with no promise unless the stream has to wait for the limits' answer
   */
  pass(block: Uint8Array): Awaitable<Passage> {
    return this.#walk({ block, events: blockEvents(block), event: null, passed: 0 })
  }

  /** What ends the stream behind the events that were passed on. */
  words(): Uint8Array {
    const { llm, end } = this.#terms
    const inputTokens = estimateInput(llm.facts().bodyBytes)
    return encoder.encode(end.words({ inputTokens, outputTokens: this.#passedTokens }))
  }

  #walk(walk: Walk): Awaitable<Passage> {
    for (;;) {
      walk.event ??= this.#next(walk.events)
      if (walk.event === null) return { bytes: walk.block, over: false }
      if (!this.#fits()) {
        const more = this.#more()
        if (more instanceof Promise) return more.then((late) => (late ? this.#walk(walk) : stopAt(walk)))
        if (!more) return stopAt(walk)
        continue
      }
      this.#take(walk.event)
      walk.passed += walk.event.length
      walk.event = null
    }
  }

  /** The next event, its text counted. */
  #next(events: Walk['events']): Uint8Array | null {
    const { value } = events.next()
    if (value === undefined) return null
    this.#text.push(value)
    return value
  }

  #fits(): boolean {
    return this.#reserved >= this.#tokensMax || this.#count() <= this.#reserved
  }

  #count(): number {
    const { bytes: textBytes, texts } = this.#text
    return this.#terms.estimator.estimateOutput(this.#model, { textBytes, texts })
  }

  #take(event: Uint8Array): void {
    this.#terms.see(event)
    this.#model = showEvent(this.#terms.end, event) ?? this.#model
    this.#passedTokens = this.#count()
    const runsLow = this.#reserved - this.#passedTokens < this.#sliceTokens / 2
    if (runsLow && !this.#denied && this.#asked === null && this.#reserved < this.#tokensMax) void this.#ask()
  }

  /** What is on its way may be enough; a limit that had nothing then may have something now. */
  #more(): Awaitable<boolean> {
    if (this.#asked === null) return this.#ask()
    return this.#asked.then((more) => more || this.#ask())
  }

  #ask(): Awaitable<boolean> {
    const { grant, clock } = this.#terms
    // What is too little for a slice may do for a part of one.
    const slice = this.#denied ? Math.ceil(this.#sliceTokens / 4) : this.#sliceTokens
    const wanted = Math.max(slice, this.#count() - this.#reserved)
    const tokens = Math.min(wanted, this.#tokensMax - this.#reserved)
    const answer = grant.extend(tokens)
    if (!(answer instanceof Promise)) return this.#note(answer, tokens)
    const asked = within(clock, patienceMs, answer, false).then((more) => {
      this.#asked = null
      return this.#note(more, tokens)
    })
    this.#asked = asked
    return asked
  }

  #note(more: boolean, tokens: number): boolean {
    if (more) this.#reserved += tokens
    this.#denied = !more
    return more
  }
}

function stopAt({ block, passed }: Walk): Passage {
  return { bytes: block.subarray(0, passed), over: true }
}
