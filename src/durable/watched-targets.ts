import type { TargetHint } from '../core/upstream/hints.ts'
import { checkedTarget, type TargetCheck } from '../core/upstream/target-check.ts'

/** A Ledger that is told what checks find out. */
export type WatchingLedger = { readonly account: string; readonly generation: number }

type CheckRow = { target: string; spec: string; everyMs: number }
type FoundRow = { target: string; state: TargetHint['state']; foundMs: number }

/** For how long checks go on after they were last wanted, and a Ledger is told of what they find. Milliseconds. */
const wantedForMs = 300_000
/** Wanted again, that is stored once so much of it is over. Milliseconds. */
const renewAfterMs = 100_000

/** Targets that are checked, and Ledgers that are told, in all. */
const checksMax = 64
const ledgersMax = 200

/** How long what a check has found out may be believed. Milliseconds. */
const believed = { out: wantedForMs, well: 60_000 } as const

/** The targets that are checked without traffic, and for whom. */
export class WatchedTargets {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS target_checks (
      target TEXT PRIMARY KEY,
      spec TEXT NOT NULL,
      every_ms INTEGER NOT NULL,
      until INTEGER NOT NULL,
      state TEXT,
      found_at INTEGER,
      checked_at INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID`)
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS target_ledgers (
      account TEXT PRIMARY KEY,
      generation INTEGER NOT NULL,
      until INTEGER NOT NULL
    ) WITHOUT ROWID`)
  }

  /**
   * Notes that checks are wanted, for some minutes. Those that no configuration could ask for are left out, and so are
   * those beyond what one gateway may have.
   */
  want({ account, generation }: WatchingLedger, checks: readonly TargetCheck[], nowMs: number): void {
    this.#sweep(nowMs)
    const untilMs = nowMs + wantedForMs
    for (const check of checks) if (checkedTarget(check) !== null) this.#wantCheck(check, untilMs)
    this.#sql.exec(
      `INSERT INTO target_ledgers (account, generation, until)
       SELECT ?1, ?2, ?3 WHERE (SELECT count(*) FROM target_ledgers) < ?4
         OR EXISTS (SELECT 1 FROM target_ledgers WHERE account = ?1)
       ON CONFLICT (account) DO UPDATE SET generation = excluded.generation, until = excluded.until
       WHERE generation <> excluded.generation OR until < excluded.until - ?5`,
      account,
      generation,
      untilMs,
      ledgersMax,
      renewAfterMs,
    )
  }

  #wantCheck({ target, everyMs, as }: TargetCheck, untilMs: number): void {
    this.#sql.exec(
      `INSERT INTO target_checks (target, spec, every_ms, until)
       SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM target_checks) < ?5
         OR EXISTS (SELECT 1 FROM target_checks WHERE target = ?1)
       ON CONFLICT (target) DO UPDATE SET spec = excluded.spec, every_ms = excluded.every_ms, until = excluded.until
       WHERE spec <> excluded.spec OR every_ms <> excluded.every_ms OR until < excluded.until - ?6`,
      target,
      JSON.stringify(as),
      everyMs,
      untilMs,
      checksMax,
      renewAfterMs,
    )
  }

  /** The checks that are due. */
  due(nowMs: number): readonly TargetCheck[] {
    const rows = this.#sql.exec<CheckRow>(
      `SELECT target, spec, every_ms AS everyMs FROM target_checks
       WHERE until > ?1 AND checked_at + every_ms <= ?1 ORDER BY checked_at`,
      nowMs,
    )
    return [...rows].map(({ target, spec, everyMs }) => ({
      target,
      everyMs,
      as: JSON.parse(spec) as TargetCheck['as'],
    }))
  }

  /**
   * Notes what a check has found out; null where that is nothing.
   * @param roundMs when its round began: one time for all of it, so that its checks fall due together again
   * @returns whether it is news: a target that is well as far as anyone knows is none
   */
  found(target: string, state: TargetHint['state'] | null, roundMs: number, nowMs: number): boolean {
    const [before] = this.#sql.exec<{ state: TargetHint['state'] | null }>(
      'SELECT state FROM target_checks WHERE target = ?',
      target,
    )
    this.#sql.exec(
      `UPDATE target_checks SET state = coalesce(?, state), found_at = coalesce(?, found_at), checked_at = ?
       WHERE target = ?`,
      state,
      state === null ? null : nowMs,
      roundMs,
      target,
    )
    return state !== null && state !== (before?.state ?? 'well')
  }

  /** What is known of some targets. */
  told(targets: readonly string[], nowMs: number): readonly TargetHint[] {
    const rows = this.#sql.exec<FoundRow>(
      'SELECT target, state, found_at AS foundMs FROM target_checks WHERE state IS NOT NULL',
    )
    return [...rows]
      .filter(({ target }) => targets.includes(target))
      .map(({ target, state, foundMs }) => {
        return { target, state, agoMs: Math.max(0, nowMs - foundMs), forMs: believed[state] }
      })
  }

  ledgers(nowMs: number): readonly WatchingLedger[] {
    return this.#sql
      .exec<WatchingLedger & { account: string; generation: number }>(
        'SELECT account, generation FROM target_ledgers WHERE until > ?',
        nowMs,
      )
      .toArray()
  }

  /** When the next check is due; null when none is wanted any more. Milliseconds since the epoch. */
  nextMs(nowMs: number): number | null {
    const { nextMs } = this.#sql
      .exec<{ nextMs: number | null }>(
        'SELECT min(checked_at + every_ms) AS nextMs FROM target_checks WHERE until > ?',
        nowMs,
      )
      .one()
    return nextMs === null ? null : Math.max(nowMs, nextMs)
  }

  #sweep(nowMs: number): void {
    this.#sql.exec('DELETE FROM target_checks WHERE until <= ?', nowMs)
    this.#sql.exec('DELETE FROM target_ledgers WHERE until <= ?', nowMs)
  }
}
