/** Bodies of the admin API, as its clients see them. Times are milliseconds since the epoch. */
import type { KeyRecord } from '../core/key/key-record.ts'
import { limitForm, type LimitForm } from '../core/limit/kinds/limit-form.ts'
import type { SeenConfig } from '../ports.ts'

/** A key without its hash; the key itself is not known to anyone but its holder. */
export interface KeyView extends Omit<KeyRecord, 'schema' | 'hash' | 'limits'> {
  readonly limits: readonly LimitForm[]
}

/** A key just made; the only answer that ever holds its text. */
export interface IssuedKeyView extends KeyView {
  readonly key: string
}

/** A part of a list; ask again with `after` set to `next` for the following part. */
export interface PageView<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/** The limits that hold for all keys of an account together. */
export interface LimitsView {
  readonly limits: readonly LimitForm[]
}

/** A purge that was noted. */
export interface PurgedView {
  /** Grows with every purge of the account. */
  readonly epoch: number
}

export interface ConfigView {
  /** 0 is the document bundled with the Worker. */
  readonly version: number
  /** SHA-256 of the document, lower-case hex. */
  readonly sha256: string
  readonly routes: number
  /** What this gateway has run with, newest first; null when the Registry does not answer. */
  readonly seen: readonly SeenConfig[] | null
}

/** One thing that is wrong with a request to the admin API. */
export interface InputProblem {
  /** JSON path into the body, or the name of a query parameter. */
  readonly path: string
  readonly expected: string
  /** What was found, shortened. */
  readonly found: string
}

/** RFC 9457 problem details, `application/problem+json`. */
export interface ProblemView {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly request_id: string
  readonly problems?: readonly InputProblem[]
}

/** A key's record without what only the gateway needs. */
export function viewKey({ schema: _schema, hash: _hash, limits, ...view }: KeyRecord): KeyView {
  return { ...view, limits: limits.map(limitForm) }
}
