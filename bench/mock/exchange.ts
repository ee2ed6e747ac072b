import type { Exchange } from './answer.ts'
import type { BodyDigest, Call } from './call.ts'
import { DEFAULT_DIRECTIVE, parseDirective } from './directive.ts'
import type { Directive, Fault } from './directive.ts'
import type { Entry, Ledger } from './ledger.ts'
import { plannedProblem } from './problem.ts'
import type { Problem } from './problem.ts'
import type { Rules } from './rules.ts'
import { fraction } from './seeded.ts'
import type { Target } from './target.ts'

export interface MockDeps {
  /** Epoch milliseconds, with a fraction where the host has one. */
  readonly now: () => number
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
  /** A fresh SHA-256. */
  readonly digest: () => BodyDigest
}

/** What the mock remembers between requests. */
export interface MockState {
  readonly deps: MockDeps
  readonly ledger: Ledger
  readonly rules: Rules
  /** Requests seen per `err` clause and seed: the position in its sequence of failures. */
  readonly errDraws: Map<string, number>
  answered: number
}

/** A request at the door, before its directive is known. */
export interface Visit {
  readonly state: MockState
  readonly call: Call
  readonly entry: Entry
  readonly target: Target
}

/** Starts an exchange under its directive; a rule for its path or provider wins over that. */
export function beginExchange(visit: Visit, asked: Directive): Exchange {
  const { state, call, entry, target } = visit
  const rule = state.rules.match(call.path, target.provider)
  state.answered += 1
  return {
    call,
    entry,
    target,
    directive: rule === undefined ? asked : { ...asked, ...rule.patch },
    requestId: `req_mock_${state.answered}`,
    t0Ms: state.deps.now() + (rule?.latMs ?? 0),
    hang: rule?.hang ?? false,
    digest: state.deps.digest,
  }
}

/** The directive of a call without a model: header `x-mock`, else query `mock`. */
export function directiveOfCall(call: Call): Directive | Fault {
  const header = call.header('x-mock')
  if (header !== undefined) return parseDirective(header)
  const query = call.query.includes('mock=') ? new URLSearchParams(call.query).get('mock') : null
  return query === null ? DEFAULT_DIRECTIVE : parseDirective(query)
}

/** The failure `err` has in store for this request: the k-th request of a seed always fares alike. */
export function plannedFailure(state: MockState, directive: Directive): Problem | undefined {
  const { errShare, errStatus, seed } = directive
  if (errShare === 0) return undefined
  const sequence = `${errShare}:${errStatus}:${seed}`
  const position = state.errDraws.get(sequence) ?? 0
  state.errDraws.set(sequence, position + 1)
  return fraction(seed, position) < errShare ? plannedProblem(errStatus) : undefined
}
