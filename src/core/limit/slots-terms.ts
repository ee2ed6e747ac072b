/** How long a slot is held after the last message of its isolate. Milliseconds. */
export const slotLeaseMs = 60_000

/** How much later than the isolate the Ledger ends a slot: clocks that stand still and drift fit in. Milliseconds. */
export const slotGuardMs = 100

/** When an isolate renews slots in use after its last message that was answered. Milliseconds. */
export const slotRenewMs = 30_000

/** For how long beyond need a stored row is good, so that renewals seldom write. Milliseconds. */
export const slotRowSlackMs = 120_000

/** How far clocks of the machines may differ that a Ledger runs on before and after a restart. Milliseconds. */
export const clockSkewMs = 1000

/** For how long an isolate looks back for the most slots it used at once; it keeps as many. Milliseconds. */
export const slotMemoryMs = 3000
