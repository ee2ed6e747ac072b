import { judgeKey } from '../../core/key/judge.ts'
import type { KeyRecord } from '../../core/key/key-record.ts'
import { limitKind } from '../../core/limit/kinds/kinds.ts'
import type { BookLimits } from '../../core/limit/permit-book.ts'
import { accountCounter, keyCounter, type AppliedLimit, type LimitSpec } from '../../core/limit/spec.ts'
import { isRefusal } from '../../core/outcome.ts'
import type { KeyTable } from './key-table.ts'
import type { NewsTable } from './news-table.ts'

/** `key:{id}:{name}` and `account:{name}`. */
const keyCounterForm = /^key:([^:]*):(.*)$/s
const accountCounterForm = /^account:(.*)$/s

/** The limits in force of an account and its keys. */
export class AccountLimits implements BookLimits {
  readonly #keys: KeyTable
  readonly #news: NewsTable

  constructor(keys: KeyTable, news: NewsTable) {
    this.#keys = keys
    this.#news = news
  }

  /** A key that may not be used any more keeps its limits, on which its streams run to their end. */
  specOf(counter: string): LimitSpec | null {
    const [, keyId, keyLimit] = keyCounterForm.exec(counter) ?? []
    if (keyId !== undefined) return named(this.#keys.find(keyId)?.limits ?? [], keyLimit)
    const [, accountLimit] = accountCounterForm.exec(counter) ?? []
    return named(this.#news.terms().limits, accountLimit)
  }

  limitsOfKey(keyId: string): readonly AppliedLimit[] | null {
    const record = this.#usable(keyId)
    if (record === null) return null
    return this.allOfRecord(record).filter(({ spec }) => limitKind(spec.kind).taken === 'admission')
  }

  /** Whether a take is that of a new request of a key that may not be used. */
  refuses(counter: string): boolean {
    const [, keyId] = keyCounterForm.exec(counter) ?? []
    if (keyId === undefined || this.#usable(keyId) !== null) return false
    const spec = this.specOf(counter)
    return spec === null || limitKind(spec.kind).taken === 'admission'
  }

  /** Every limit of a key and of the account. */
  allOfRecord({ id, limits }: KeyRecord): readonly AppliedLimit[] {
    const own = limits.map((spec) => ({ counter: keyCounter(id, spec.name), spec, level: 'key' as const }))
    return [...own, ...this.ofAccount()]
  }

  ofAccount(): readonly AppliedLimit[] {
    const { limits } = this.#news.terms()
    return limits.map((spec) => ({ counter: accountCounter(spec.name), spec, level: 'account' as const }))
  }

  #usable(keyId: string): KeyRecord | null {
    const record = this.#keys.find(keyId)
    return record === null || isRefusal(judgeKey(record, Date.now())) ? null : record
  }
}

function named(limits: readonly LimitSpec[], name: string | undefined): LimitSpec | null {
  return limits.find((spec) => spec.name === name) ?? null
}
