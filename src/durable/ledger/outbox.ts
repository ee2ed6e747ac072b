import { dueNow, nextRoundMs } from '../../core/key/outbox.ts'
import { keyRecordName } from '../../core/storage-layout.ts'
import { within } from '../../core/within.ts'
import { timers } from '../timers.ts'
import type { KeyTable, OutboxRow } from './key-table.ts'

/** Records written to KV in one round. */
const roundRowsMax = 50

/** A write that takes longer has failed, so that what else is due does not wait for KV. Milliseconds. */
const writeWithinMs = 10_000

/** Carries the keys of an account to KV. */
export class Outbox {
  readonly #keys: KeyTable
  readonly #overtaken: () => void
  readonly #withinMs: number
  #failedRounds = 0

  /** @param overtaken called when something waits again, since a write that was given up came late */
  constructor(keys: KeyTable, overtaken: () => void, withinMs = writeWithinMs) {
    this.#keys = keys
    this.#overtaken = overtaken
    this.#withinMs = withinMs
  }

  /** Writes what is due. Never throws: what KV does not take stays for the next round. */
  async round(kv: KVNamespace, account: string): Promise<void> {
    const due = dueNow(this.#keys.unpublished(roundRowsMax), Date.now())
    const written = await Promise.all(due.map((row) => this.#publish(kv, account, row)))
    this.#failedRounds = written.includes(false) ? this.#failedRounds + 1 : 0
  }

  /** When the next round is; null when nothing waits. */
  nextMs(nowMs: number): number | null {
    const [waiting] = this.#keys.unpublished(1)
    return nextRoundMs(waiting?.publishedAtMs ?? null, this.#failedRounds, nowMs)
  }

  /** Whether anything waits. */
  waits(): boolean {
    return this.#keys.unpublished(1).length > 0
  }

  async #publish(kv: KVNamespace, account: string, row: OutboxRow): Promise<boolean> {
    const written = write(kv, keyRecordName(account, row.id), row.record)
    const isWritten = await within(timers, this.#withinMs, written, null)
    if (isWritten === null) void this.#heedLate(written, row)
    if (isWritten === true) this.#keys.markPublished(row, Date.now())
    return isWritten === true
  }

  /** A write that was given up may come to its end all the same, and then in the place of a later one. */
  async #heedLate(written: Promise<boolean>, row: OutboxRow): Promise<void> {
    if ((await written) && this.#keys.markOvertaken(row)) this.#overtaken()
  }
}

/** @returns false when KV refuses; never rejects */
async function write(kv: KVNamespace, name: string, value: string): Promise<boolean> {
  try {
    await kv.put(name, value)
    return true
  } catch {
    return false
  }
}
