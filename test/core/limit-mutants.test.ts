import { afterEach, describe, expect, test, vi } from 'vitest'
import { hunt } from '../fuzz/limits-hunt.ts'
import type { PlanOptions } from '../fuzz/limits-plan.ts'
import type { Modules } from './limit-mutant.ts'
import { bucketMutants } from './limit-mutants-bucket.ts'
import { hierarchyMutants, reservationMutants } from './limit-mutants-whole.ts'
import { windowMutants } from './limit-mutants-window.ts'

/** Where each module is that a mutant may replace a part of. */
const modules: { readonly [M in keyof Modules]: string } = {
  level: '../../src/core/limit/counter/bucket-level.ts',
  row: '../../src/core/limit/counter/bucket-row.ts',
  bucket: '../../src/core/limit/counter/bucket.ts',
  window: '../../src/core/limit/counter/window.ts',
  shape: '../../src/core/limit/counter/window-shape.ts',
  charges: '../../src/core/limit/counter/slot-charges.ts',
  leases: '../../src/core/limit/counter/leases.ts',
  terms: '../../src/core/limit/counter/lease-terms.ts',
  lessee: '../../src/core/limit/counter/permit-lessee.ts',
  counters: '../../src/core/limit/permit-book-counters.ts',
  book: '../../src/core/limit/permit-book.ts',
  holder: '../../src/core/limit/permit-holder.ts',
}

const bad: Record<string, readonly PlanOptions[]> = {
  bucket: [
    { kind: 'bucket', durability: 'strict', restarts: 'crash' },
    { kind: 'bucket', durability: 'default', restarts: 'sleep' },
  ],
  ring: [
    { kind: 'ring', durability: 'strict', restarts: 'crash' },
    { kind: 'ring', durability: 'strict', restarts: 'none' },
  ],
  calendar: [{ kind: 'calendar', durability: 'strict', restarts: 'sleep' }],
  reservations: [
    { kind: 'bucket', durability: 'strict', restarts: 'sleep', reserves: true },
    { kind: 'ring', durability: 'strict', restarts: 'crash', reserves: true },
  ],
  hierarchy: [{ kind: 'hierarchy', durability: 'strict', restarts: 'none' }],
}

afterEach(() => {
  for (const path of Object.values(modules)) vi.doUnmock(path)
  vi.resetModules()
})

const mutants = [...bucketMutants, ...windowMutants, ...hierarchyMutants, ...reservationMutants]

describe('the oracle kills', () => {
  test.each(mutants)('$name', { timeout: 60_000 }, async ({ kind, change, schedules }) => {
    vi.resetModules()
    for (const [name, replace] of Object.entries(change)) {
      vi.doMock(modules[name as keyof Modules], async (original) => {
        const actual = await original<never>()
        return { ...(actual as object), ...replace(actual) }
      })
    }
    const { PermitBook } = await import('../../src/core/limit/permit-book.ts')
    const { PermitHolder } = await import('../../src/core/limit/permit-holder.ts')
    const found = hunt({ PermitBook, PermitHolder }, bad[kind] ?? [], schedules ?? 1000)
    expect(found).not.toBeNull()
  })
})
