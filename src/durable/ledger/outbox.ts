import { dueNow, nextRoundMs } from '../../core/key/outbox.ts'
import { keyRecordName } from '../../core/storage-layout.ts'
import type { KeyTable, OutboxRow } from './key-table.ts'

/** Records written to KV in one round. */
const roundRowsMax = 50

/** Carries the keys of an account to KV. */
export class Outbox {
  readonly #keys: KeyTable
  #failedRounds = 0

  constructor(keys: KeyTable) {
    this.#keys = keys
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
    try {
      await kv.put(keyRecordName(account, row.id), row.record)
    } catch {
      return false
    }
    this.#keys.markPublished(row, Date.now())
    return true
  }
}
