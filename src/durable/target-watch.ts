import type { TargetHint } from '../core/upstream/hints.ts'
import { checkedTarget, readChecks, type TargetCheck } from '../core/upstream/target-check.ts'
import { ledgerName } from '../core/storage-layout.ts'
import { within } from '../core/within.ts'
import type { Env } from '../env.ts'
import { askTarget } from './ask-target.ts'
import { timers } from './timers.ts'
import { WatchedTargets, type WatchingLedger } from './watched-targets.ts'

/** The runtime lets six connections of one invocation wait for headers. */
const targetsAtOnce = 6
const ledgersAtOnce = 20
/** How long a Ledger is waited for that is told something; it hears of it later in any case. Milliseconds. */
const tellMs = 2_000

/** Checks targets without traffic, by an alarm that is set as long as somebody wants to know. */
export class TargetWatch {
  readonly #storage: DurableObjectStorage
  readonly #env: Env
  readonly #watched: WatchedTargets

  constructor(storage: DurableObjectStorage, env: Env) {
    this.#storage = storage
    this.#env = env
    this.#watched = new WatchedTargets(storage.sql)
    this.#watched.create()
  }

  /** Notes what is to be checked, and for whom. @returns what is known of it */
  async want(ledger: WatchingLedger, wanted: unknown): Promise<readonly TargetHint[]> {
    const checks = readChecks(wanted)
    const nowMs = Date.now()
    this.#storage.transactionSync(() => this.#watched.want(ledger, checks, nowMs))
    await this.#plan()
    return this.#watched.told(
      checks.map(({ target }) => target),
      nowMs,
    )
  }

  /** Checks what is due and tells the Ledgers what has changed. May run twice. */
  async round(): Promise<void> {
    try {
      const changed: string[] = []
      const roundMs = Date.now()
      await inWaves(this.#watched.due(roundMs), targetsAtOnce, async (check) => {
        if (await this.#check(check, roundMs)) changed.push(check.target)
      })
      const hints = this.#watched.told(changed, Date.now())
      if (hints.length > 0) await this.#tell(hints)
    } finally {
      await this.#plan()
    }
  }

  /** @returns whether it found out news */
  async #check(check: TargetCheck, roundMs: number): Promise<boolean> {
    const target = checkedTarget(check)
    const state = target === null ? null : await askTarget(target, { ...this.#env })
    return this.#watched.found(check.target, state, roundMs, Date.now())
  }

  async #tell(hints: readonly TargetHint[]): Promise<void> {
    await inWaves(this.#watched.ledgers(Date.now()), ledgersAtOnce, async ({ account, generation }) => {
      const told = (async () =>
        this.#env.LEDGER.getByName(ledgerName(account, generation)).hearTargets(hints))()
      await within(timers, tellMs, told, null)
    })
  }

  /** Sets the alarm for the next check, if there is one and no alarm is sooner. */
  async #plan(): Promise<void> {
    const nextMs = this.#watched.nextMs(Date.now())
    if (nextMs === null) return
    const setMs = await this.#storage.getAlarm()
    if (setMs === null || setMs > nextMs) await this.#storage.setAlarm(nextMs)
  }
}

async function inWaves<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += atOnce) {
    await Promise.all(items.slice(at, at + atOnce).map(work))
  }
}
