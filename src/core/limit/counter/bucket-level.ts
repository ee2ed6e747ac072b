const lostMax = 256

/** A part of a reservation, or of a lease that ended, that may still be given back. */
export interface Claim {
  amount: number
}

/**
 * What a token bucket holds, with what may come back to it. At all times `level + out + claims <= capacity`, where `out`
 * is all that may still be used somewhere: what flows in beyond that ends claims, the oldest first, and then is lost.
 * So what is given back was never given out again.
 */
export class BucketLevel {
  capacity: number
  /** Permits that flow in, in a millisecond. */
  perMs: number
  level: number
  atMs: number
  /** Permits that may still be used somewhere. */
  out = 0
  #claimed = 0
  readonly #claims = new Map<number, Claim>()
  #lastClaim = 0
  /** When everything that flowed in was lost. */
  #lost: { fromMs: number; toMs: number }[] = []

  constructor(capacity: number, perMs: number, start: { readonly level: number; readonly atMs: number }) {
    this.capacity = capacity
    this.perMs = perMs
    this.level = start.level
    this.atMs = start.atMs
  }

  /** Everything that the bucket answers for: never more than its capacity. */
  get total(): number {
    return this.level + this.out + this.#claimed
  }

  /** Lets flow in what is due at a time; nothing else may have changed since the last call. */
  refill(nowMs: number): void {
    if (nowMs <= this.atMs) return
    let amount = (nowMs - this.atMs) * this.perMs
    this.atMs = nowMs
    const room = Math.max(0, this.capacity - this.out - this.#claimed - this.level)
    const gained = Math.min(amount, room)
    this.level += gained
    amount -= gained
    const fromClaims = amount > 0 ? this.#dropClaims(amount) : 0
    this.level += fromClaims
    if (amount > fromClaims) this.#lose(amount - fromClaims)
  }

  /** Takes permits out, to be used somewhere. */
  give(amount: number): void {
    this.level -= amount
    this.out += amount
  }

  /** Permits that were out are back. */
  giveBack(amount: number): void {
    this.out -= amount
    this.level += amount
  }

  /** Permits that were out are used. */
  use(amount: number): void {
    this.out -= amount
  }

  /** Permits that were out cannot be used any more, but may come back. @returns the claim's number */
  claim(amount: number): number {
    this.#lastClaim += 1
    this.#claims.set(this.#lastClaim, { amount })
    this.#claimed += amount
    return this.#lastClaim
  }

  /** What is left of a claim. */
  claimLeft(claim: number): number {
    return this.#claims.get(claim)?.amount ?? 0
  }

  /** Ends a claim and gives back `amount`, at most what is left of it. @returns what was given back */
  settle(claim: number, amount: number): number {
    const left = this.claimLeft(claim)
    const back = Math.min(left, Math.max(0, amount))
    this.#claims.delete(claim)
    this.#claimed -= left
    this.level += back
    return back
  }

  /** What flowed in since a time and was lost, at most `amount`, is to be given back: it is not lost any more. */
  recover(sinceMs: number, amount: number): number {
    let missing = amount
    const lost: { fromMs: number; toMs: number }[] = []
    for (const span of this.#lost) {
      const fromMs = Math.max(span.fromMs, sinceMs)
      const takenMs = Math.min(Math.max(0, span.toMs - fromMs), missing / this.perMs)
      missing -= takenMs * this.perMs
      if (span.fromMs < fromMs) lost.push({ fromMs: span.fromMs, toMs: Math.min(span.toMs, fromMs) })
      if (fromMs + takenMs < span.toMs) lost.push({ fromMs: fromMs + takenMs, toMs: span.toMs })
    }
    this.#lost = lost
    return amount - Math.max(0, missing)
  }

  /** Nothing that was lost before a time will be asked for. */
  forgetLost(beforeMs: number): void {
    while (this.#lost[0] !== undefined && this.#lost[0].toMs <= beforeMs) this.#lost.shift()
  }

  /** Takes on another capacity: at most what fits is kept. */
  shrink(capacity: number, perMs: number): void {
    this.capacity = capacity
    this.perMs = perMs
    this.level = Math.min(this.level, Math.max(0, capacity - this.out))
    this.#dropClaims(Math.max(0, this.level + this.out + this.#claimed - capacity))
    this.#lost = []
  }

  /** Ends claims, the oldest first. @returns how much they came to, at most `amount` */
  #dropClaims(amount: number): number {
    let missing = amount
    for (const [number, claim] of this.#claims) {
      if (missing <= 0) break
      const ended = Math.min(missing, claim.amount)
      claim.amount -= ended
      missing -= ended
      if (claim.amount <= 0) this.#claims.delete(number)
    }
    const ended = amount - missing
    this.#claimed = this.#claims.size === 0 ? 0 : this.#claimed - ended
    return ended
  }

  #lose(amount: number): void {
    const fromMs = this.atMs - amount / this.perMs
    const last = this.#lost.at(-1)
    if (last !== undefined && fromMs - last.toMs < 0.001) last.toMs = this.atMs
    else this.#lost.push({ fromMs, toMs: this.atMs })
    if (this.#lost.length > lostMax) this.#lost.shift()
  }
}
