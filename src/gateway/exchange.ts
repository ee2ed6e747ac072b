import { hexOf } from '../core/hex.ts'
import type { CanonicalTarget } from '../core/route/canonical-target.ts'
import type { Clock, Exchange, Facts, Grant, LlmRequest, Operation, Random } from '../ports.ts'

/** A request id: 128 random bits in lower-case hex. */
function requestId(random: Random): string {
  return hexOf(random.bytes(16))
}

/** The life of one request, and what its profile counts. */
export class RequestLife implements Exchange {
  readonly request: Request
  readonly id: string
  readonly startedMs: number
  readonly target: CanonicalTarget
  readonly signal: AbortSignal
  readonly facts: Facts = {
    route: null,
    account: null,
    keyId: null,
    target: null,
    upstreamRequestId: null,
    upstreamStatus: null,
    attempts: [],
    answerEnded: null,
    cache: null,
  }
  readonly waits: Partial<Record<Operation, number>> = {}
  readonly operations: Partial<Record<Operation, number>> = {}
  /** What the request holds of its limits; settled or released once, at the end. */
  grant: Grant | null = null
  /** Set by settle, which ends an exchange once. */
  isSettled = false
  /** Set by inspect. */
  llm: LlmRequest | null = null
  readonly marks: [stage: string, endedMs: number][] = []
  readonly #clock: Clock
  readonly #waitUntil: (work: Promise<unknown>) => void

  constructor(
    request: Request,
    target: CanonicalTarget,
    deps: { readonly clock: Clock; readonly random: Random },
    waitUntil: (work: Promise<unknown>) => void,
  ) {
    this.request = request
    this.target = target
    this.signal = request.signal
    this.id = requestId(deps.random)
    this.startedMs = deps.clock.nowMs()
    this.#clock = deps.clock
    this.#waitUntil = waitUntil
  }

  defer(work: Promise<unknown>): void {
    this.#waitUntil(work)
  }

  count(operation: Operation): void {
    this.operations[operation] = (this.operations[operation] ?? 0) + 1
  }

  waited(operation: Operation, ms: number): void {
    this.waits[operation] = (this.waits[operation] ?? 0) + ms
  }

  /** Notes that a stage has ended, for the profile. */
  mark(stage: string): void {
    this.marks.push([stage, this.#clock.nowMs()])
  }
}
