import type { OpenedReservation } from '../core/limit/messages.ts'
import type { Taken } from '../core/limit/permit-holder.ts'
import { isOnSlots } from '../core/limit/applied-limits.ts'
import type { SlotUser } from '../core/limit/slots-users.ts'
import type { LimitStanding } from '../core/limit/standing.ts'
import { isRefusal, type Awaitable, type Outcome } from '../core/outcome.ts'
import type { Grant, Settled, StopReason, TokenWant } from '../ports.ts'
import type { Admission } from './limiter.ts'
import { refusalOf } from './limiter-refusal.ts'
import {
  extended,
  isSliced,
  openedOf,
  outputCost,
  settledOf,
  sizesOf,
  takesOf,
  type Sizes,
} from './limiter-reservation.ts'
import { Watch } from './limiter-watch.ts'

interface HeldSlot {
  readonly counter: string
  readonly user: SlotUser
}

/** Tokens and money of a request that runs, or is about to. */
interface Reserved {
  opened: OpenedReservation
  readonly want: TokenWant
  /** Output tokens that may be used before more has to be taken; null where nothing is taken in slices. */
  slicedTokens: number | null
}

const unavailable: Taken = { kind: 'unavailable', counter: '' }

/** What the request of a key's holder holds. */
export class KeyGrant implements Grant {
  readonly #admission: Admission
  readonly #watch: Watch
  readonly #slots: HeldSlot[] = []
  #reserved: Reserved | null = null
  #extensions = 0
  #isOver = false

  /** @param slots counters of limits on what is under way at the same time, of each of which one was just taken */
  constructor(admission: Admission, slots: readonly string[]) {
    const { link, principal, route, x, clock } = admission
    this.#admission = admission
    this.#watch = new Watch({
      link,
      keyId: principal.keyId,
      cuts: route.streams.onRevoke === 'cut',
      scope: x,
      clock,
    })
    for (const counter of slots) this.#hold(counter)
  }

  get sliced(): boolean {
    return this.#reserved !== null && this.#reserved.slicedTokens !== null
  }

  get reservedOutputTokens(): number {
    return this.#reserved?.slicedTokens ?? 0
  }

  reserve(want: TokenWant): Awaitable<Outcome<null>> {
    const { link, limits, principal, route, x, clock } = this.#admission
    if (limits.reservation.length === 0) return null
    const likely = link.outputs.estimate(principal.keyId, want.model)
    const nowMs = clock.nowMs()
    const sizes = sizesOf(want, likely, limits.reservation, (limit) => link.standing([limit])[0])
    if (isRefusal(sizes)) return sizes
    const opened = openedOf({ id: x.id, key: principal.keyId, route: route.id }, want, sizes)
    const { applied, costs } = sizes
    const taken = link.holder.take(applied, costs, nowMs)
    if (taken.kind !== 'ask') {
      const outcome = this.#begin(taken, { opened, want, sizes })
      if (taken.kind === 'taken') link.open(opened)
      link.tend(x)
      return outcome
    }
    const ask = { id: x.id, applied, costs, key: null, reservation: opened }
    return link
      .ask({ key: null, ask }, x)
      .then(({ permits }) => this.#begin(permits?.outcome ?? unavailable, { opened, want, sizes }))
  }

  extend(tokens: number): Awaitable<boolean> {
    const { link, limits, x, clock } = this.#admission
    const reserved = this.#reserved
    if (reserved === null || reserved.slicedTokens === null) return true
    if (this.#isOver) return false
    const applied = limits.reservation.filter((limit) => isSliced(limit, reserved.want))
    const costs = applied.map((limit) => outputCost(limit, tokens, reserved.want))
    const opened = extended(reserved.opened, takesOf(applied, costs), tokens)
    const taken = link.holder.take(applied, costs, clock.nowMs())
    if (taken.kind === 'taken') {
      link.open(opened)
      this.#grow(reserved, opened, tokens)
    }
    if (taken.kind !== 'ask') {
      link.tend(x)
      return taken.kind === 'taken'
    }
    this.#extensions += 1
    const ask = { id: `${x.id}.${this.#extensions}`, applied, costs, key: null, reservation: opened }
    return link.ask({ key: null, ask }, x).then(({ permits }) => {
      if (permits?.outcome.kind !== 'taken') return false
      this.#grow(reserved, opened, tokens)
      return true
    })
  }

  settle(settled: Settled): void {
    this.#end(settled)
  }

  release(): void {
    this.#end(null)
  }

  standing(): readonly LimitStanding[] {
    const { link, limits } = this.#admission
    return link.standing(limits.all)
  }

  onStop(stop: (why: StopReason) => void): void {
    this.#watch.onStop(stop)
  }

  #begin(
    taken: Taken,
    { opened, want, sizes }: { opened: OpenedReservation; want: TokenWant; sizes: Sizes },
  ): Outcome<null> {
    const { link, x } = this.#admission
    if (taken.kind !== 'taken') return refusalOf(taken, sizes.applied, null, this.standing())
    for (const limit of sizes.applied) if (isOnSlots(limit)) this.#hold(limit.counter)
    this.#reserved = { opened, want, slicedTokens: sizes.slicedTokens }
    link.tendLater(x)
    return null
  }

  #grow(reserved: Reserved, opened: OpenedReservation, tokens: number): void {
    reserved.opened = opened
    reserved.slicedTokens = (reserved.slicedTokens ?? 0) + tokens
    this.#admission.link.tendLater(this.#admission.x)
  }

  #hold(counter: string): void {
    const { link } = this.#admission
    const user = link.holder.hold(counter, this.#watch.slotHeld())
    if (user !== null) this.#slots.push({ counter, user })
  }

  /** @param settled null when nothing was delivered */
  #end(settled: Settled | null): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#watch.end()
    const { link, x, clock } = this.#admission
    const nowMs = clock.nowMs()
    for (const { counter, user } of this.#slots) link.holder.free(counter, user, nowMs)
    const opened = this.#reserved?.opened ?? this.#unreserved(settled, nowMs)
    if (opened !== null) {
      link.settle(settledOf(opened, settled, this.#admission.limits.reservation, nowMs))
      this.#learn(settled)
    }
    if (opened !== null || this.#slots.length > 0) link.tendLater(x)
  }

  /** Usage that no limit holds for is told all the same. */
  #unreserved(settled: Settled | null, nowMs: number): OpenedReservation | null {
    const usage = settled?.usage ?? null
    if (usage === null) return null
    const { x, principal, route } = this.#admission
    const { model, inputTokens, outputTokens } = usage
    return {
      id: x.id,
      takes: [],
      deadlineMs: nowMs,
      key: principal.keyId,
      route: route.id,
      model,
      inputTokens,
      outputTokens,
      microUsd: null,
    }
  }

  #learn(settled: Settled | null): void {
    const want = this.#reserved?.want
    const usage = settled?.usage
    if (want === undefined || usage == null || settled?.ending !== 'complete') return
    const { link, principal } = this.#admission
    link.outputs.learn(principal.keyId, want.model, usage.outputTokens / want.choices)
  }
}
