import { heardAt, HintBoard, type TargetHint } from '../../core/upstream/hints.ts'
import type { TargetCheck } from '../../core/upstream/target-check.ts'
import type { TargetTable } from './target-table.ts'

/** How often the Registry is told at most that a check is wanted. Milliseconds. */
const wantedEveryMs = 60_000
/** What a stored word may gain in life before it is stored again. Milliseconds. */
const renewedMs = 60_000

/**
 * What a Ledger knows of targets, between the isolates of its account and the Registry that checks them. What isolates
 * say is kept in memory, for seconds; what checks have found out is stored, when it changes.
 */
export class Targets {
  readonly #table: TargetTable
  readonly #board: HintBoard
  /** When the Registry was last told of a check. */
  readonly #wantedMs = new Map<string, number>()

  /** @param opened whether there are tables */
  constructor(table: TargetTable, opened: boolean, nowMs: number) {
    this.#table = table
    this.#board = opened ? table.load(nowMs) : new HintBoard()
  }

  /** What an isolate has found out. */
  hear(hints: readonly TargetHint[], nowMs: number): void {
    for (const hint of hints) this.#board.note(hint.target, heardAt(hint, nowMs))
  }

  /** The part of a reply. */
  telling(nowMs: number): { readonly hints?: readonly TargetHint[] } {
    const hints = this.#board.tell(nowMs)
    return hints.length > 0 ? { hints } : {}
  }

  /** Those of the checks that the Registry is to be told of; it counts as told of them. */
  want(checks: readonly TargetCheck[], nowMs: number): readonly TargetCheck[] {
    for (const [target, atMs] of this.#wantedMs) {
      if (nowMs - atMs >= wantedEveryMs) this.#wantedMs.delete(target)
    }
    const wanted = checks.filter(({ target }) => !this.#wantedMs.has(target))
    for (const { target } of wanted) this.#wantedMs.set(target, nowMs)
    return wanted
  }

  /** What checks have found out. That a target is well is news only of one that was said to be out. */
  learn(hints: readonly TargetHint[], nowMs: number): void {
    for (const hint of hints) {
      const known = this.#board.get(hint.target, nowMs)
      if (known === null && hint.state === 'well') continue
      const heard = heardAt(hint, nowMs)
      this.#board.note(hint.target, heard)
      const isNews = known?.state !== heard.state || heard.untilMs - known.untilMs > renewedMs
      if (isNews) this.#table.save(hint.target, heard, nowMs)
    }
  }
}
