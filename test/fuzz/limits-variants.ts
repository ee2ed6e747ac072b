import { planKinds, type PlanOptions } from './limits-plan.ts'

const lives = [
  { durability: 'strict', restarts: 'crash' },
  { durability: 'strict', restarts: 'sleep' },
  { durability: 'default', restarts: 'sleep' },
  { durability: 'default', restarts: 'crash' },
] as const

/** Every kind of limit, in both durabilities, with a Ledger that sleeps or crashes, counted at once or reserved. */
export const variants: readonly PlanOptions[] = planKinds.flatMap((kind) =>
  lives.flatMap(({ durability, restarts }) =>
    [false, true].map((reserves) => ({ kind, durability, restarts, reserves })),
  ),
)
