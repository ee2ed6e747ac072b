/** A request or stream that uses a slot. */
export interface SlotUser {
  /** Whether it has a slot; without one it is over, is about to end, or its limit lets it go on. */
  readonly covered: boolean
}

interface User extends SlotUser {
  covered: boolean
  /** Called when the slot is lost; null where the request goes on. */
  readonly lost: (() => void) | null
}

/** What of an isolate's requests has a slot, the longest running first. */
export class SlotUsers {
  /** In the order in which they began. */
  readonly #held = new Set<User>()
  /** Begun, and not held yet. */
  #begun = 0
  #spared = 0
  #coveredHeld = 0

  /** Users with a slot. */
  get covered(): number {
    return this.#coveredHeld + this.#begun
  }

  /** Users without one. */
  get uncovered(): number {
    return this.#held.size - this.#coveredHeld + this.#spared
  }

  get size(): number {
    return this.#held.size + this.#begun + this.#spared
  }

  begin(count: number): void {
    this.#begun += count
  }

  /** Some begin without a slot. */
  spare(count: number): void {
    this.#spared += count
  }

  /** Some that had begun did not go on. */
  cancel(count: number): void {
    const begun = Math.min(count, this.#begun)
    this.#begun -= begun
    this.#spared -= Math.min(count - begun, this.#spared)
  }

  /** @param closed whether to call `lost` when the slot is lost */
  hold(lost: () => void, closed: boolean): SlotUser {
    const user: User = { covered: this.#begun > 0, lost: closed ? lost : null }
    if (user.covered) {
      this.#begun -= 1
      this.#coveredHeld += 1
    } else this.#spared -= Math.min(1, this.#spared)
    this.#held.add(user)
    if (!user.covered) this.#tell(user)
    return user
  }

  end(user: SlotUser): void {
    if (!this.#held.delete(user as User)) return
    if (user.covered) this.#coveredHeld -= 1
    ;(user as User).covered = false
  }

  /** So many slots are there: those without one get what is free, or the youngest lose theirs. */
  cover(slots: number): void {
    if (slots > this.covered && this.uncovered > 0) this.#give(slots - this.covered)
    else if (slots < this.covered) this.#withdraw(this.covered - slots)
  }

  #give(count: number): void {
    let left = count
    for (const user of this.#held) {
      if (left === 0) return
      if (user.covered) continue
      user.covered = true
      this.#coveredHeld += 1
      left -= 1
    }
    const begun = Math.min(left, this.#spared)
    this.#spared -= begun
    this.#begun += begun
  }

  #withdraw(count: number): void {
    const begun = Math.min(count, this.#begun)
    this.#begun -= begun
    this.#spared += begun
    const losers = [...this.#held].filter(({ covered }) => covered).slice(this.#coveredHeld - (count - begun))
    for (const user of losers) {
      user.covered = false
      this.#coveredHeld -= 1
    }
    for (const user of losers) this.#tell(user)
  }

  /** Who is told is over: a slot for it would be wasted. */
  #tell(user: User): void {
    if (user.lost === null) return
    this.#held.delete(user)
    user.lost()
  }
}
