/** What a body does next. Whoever carries it writes, waits, or ends it in one of three ways. */
export type Step =
  | {
      readonly kind: 'write'
      readonly data: string | Uint8Array
      readonly last: boolean
      readonly alone: boolean
    }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'end' | 'cut' | 'stall' }

/** A body as a schedule. It holds no timer and no promise; the carrier asks for a step when it can take one. */
export interface Source {
  step(nowMs: number): Step
}

/** A body in `total` parts: when each is due, how it reads, and after how many it dies or falls silent. */
interface SourcePlan<Part extends string | Uint8Array> {
  readonly total: number
  readonly cutAfter: number
  readonly stallAfter: number
  dueMs(index: number): number
  render(index: number, nowMs: number): Part
}

const BATCH_LENGTH = 65_536
const END: Step = { kind: 'end' }
const CUT: Step = { kind: 'cut' }
const STALL: Step = { kind: 'stall' }

/** Plays text parts; all that are due go into one write, so an untimed stream costs one write per 64 KB. */
export function textSource(plan: SourcePlan<string>): Source {
  let index = 0
  function step(nowMs: number): Step {
    let data = ''
    let halt = haltAt(plan, index)
    while (halt === undefined && data.length < BATCH_LENGTH && plan.dueMs(index) <= nowMs) {
      data += plan.render(index, nowMs)
      index += 1
      halt = haltAt(plan, index)
    }
    if (data !== '') return { kind: 'write', data, last: halt === END, alone: false }
    return halt ?? { kind: 'wait', untilMs: plan.dueMs(index) }
  }
  return { step }
}

/** Plays byte parts, one write each; `alone` asks the carrier to let each write leave before the next. */
export function pieceSource(plan: SourcePlan<Uint8Array>, alone: boolean): Source {
  let index = 0
  function step(nowMs: number): Step {
    const halt = haltAt(plan, index)
    if (halt !== undefined) return halt
    const untilMs = plan.dueMs(index)
    if (untilMs > nowMs) return { kind: 'wait', untilMs }
    const data = plan.render(index, nowMs)
    index += 1
    return { kind: 'write', data, last: haltAt(plan, index) === END, alone }
  }
  return { step }
}

function haltAt(plan: SourcePlan<string> | SourcePlan<Uint8Array>, index: number): Step | undefined {
  if (index === plan.cutAfter) return CUT
  if (index === plan.stallAfter) return STALL
  return index === plan.total ? END : undefined
}
