import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SettledReservation } from '../../src/core/limit/messages.ts'
import {
  addUsage,
  dayOf,
  dayText,
  firstHourKept,
  hourOf,
  hoursKeptDays,
  noUsage,
  rollUp,
  type UsageTotals,
} from '../../src/core/usage/rollup.ts'
import { clampRange, reportDaysMax, totalOf } from '../../src/core/usage/usage-report.ts'

const nowMs = Date.UTC(2026, 9, 23, 12, 34, 56)
const hourMs = 3_600_000

function settled(change: Partial<SettledReservation>): SettledReservation {
  return {
    id: 'one',
    takes: [],
    costs: [],
    deadlineMs: nowMs,
    key: 'k1',
    route: 'chat',
    model: 'gpt-4o',
    inputTokens: 10,
    outputTokens: 20,
    microUsd: 300,
    source: 'measured',
    endedMs: nowMs,
    ...change,
  }
}

const anySettled = fc
  .record({
    key: fc.constantFrom('k1', 'k2'),
    model: fc.constantFrom('gpt-4o', 'claude', null),
    route: fc.constantFrom('chat', 'messages'),
    inputTokens: fc.nat(100_000),
    outputTokens: fc.nat(100_000),
    microUsd: fc.option(fc.nat(1_000_000)),
    source: fc.constantFrom('measured', 'estimated', 'lost'),
    endedMs: fc.integer({ min: nowMs - 50 * 24 * hourMs, max: nowMs + hourMs }),
  })
  .map(settled)

describe('rollUp', () => {
  test('loses and adds nothing, whatever it is cut into', () => {
    fc.assert(
      fc.property(fc.array(anySettled, { maxLength: 40 }), fc.nat(40), (all, cut) => {
        const whole = totalOf(rollUp(counted(all), nowMs))
        const parts = [rollUp(counted(all.slice(0, cut)), nowMs), rollUp(counted(all.slice(cut)), nowMs)].map(
          totalOf,
        )
        expect(parts.reduce(addUsage, noUsage)).toEqual(whole)
        expect(whole).toEqual({
          requests: all.length,
          inputTokens: sum(all, ({ inputTokens }) => inputTokens),
          outputTokens: sum(all, ({ outputTokens }) => outputTokens),
          microUsd: sum(all, ({ microUsd }) => microUsd ?? 0),
          estimated: all.filter(({ source }) => source === 'estimated').length,
          lost: all.filter(({ source }) => source === 'lost').length,
        } satisfies UsageTotals)
      }),
    )
  })

  test('has one entry for each key, model, route and hour', () => {
    fc.assert(
      fc.property(fc.array(anySettled, { maxLength: 40 }), (all) => {
        const places = rollUp(counted(all), nowMs).map(
          ({ key, model, route, hour }) => `${key} ${model} ${route} ${hour}`,
        )
        expect(new Set(places).size).toBe(places.length)
      }),
    )
  })

  test.each([
    ['an exchange counts in the hour in which it ended', nowMs - 2 * hourMs, hourOf(nowMs) - 2],
    ['one from the future counts now', nowMs + 5 * hourMs, hourOf(nowMs)],
    ['one from an hour that is a day by now counts in the first that is kept', 0, firstHourKept(nowMs)],
  ])('%s', (_, endedMs, hour) => {
    expect(rollUp(counted([settled({ endedMs })]), nowMs)).toEqual([expect.objectContaining({ hour })])
  })

  test('what is withdrawn is gone, to the last token', () => {
    fc.assert(
      fc.property(
        fc.array(anySettled, { maxLength: 20 }),
        fc.array(anySettled, { maxLength: 20 }),
        (kept, gone) => {
          const left = rollUp({ settled: [...kept, ...gone], withdrawn: gone }, nowMs)
          expect(totalOf(left)).toEqual(totalOf(rollUp(counted(kept), nowMs)))
        },
      ),
    )
  })

  test('an entry ends with its last exchange', () => {
    const [entry] = rollUp(counted([settled({ endedMs: nowMs - 5 }), settled({ endedMs: nowMs - 9 })]), nowMs)
    expect(entry).toMatchObject({ endedMs: nowMs - 5, requests: 2 })
  })

  test('a name that no model has is cut', () => {
    const [entry] = rollUp(counted([settled({ model: 'm'.repeat(10_000) })]), nowMs)
    expect(entry?.model).toHaveLength(200)
  })
})

test('the first hour kept begins a day, and leaves that many whole days before today', () => {
  const first = firstHourKept(nowMs)
  expect(first % 24).toBe(0)
  expect(dayOf(hourOf(nowMs)) - dayOf(first)).toBe(hoursKeptDays)
  expect(dayText(dayOf(hourOf(nowMs)))).toBe('2026-10-23')
})

test('a report has as many days as it may, the latest ones', () => {
  expect(clampRange({ firstDay: 0, lastDay: 20_000 })).toEqual({
    firstDay: 20_000 - reportDaysMax + 1,
    lastDay: 20_000,
  })
  expect(clampRange({ firstDay: 19_999, lastDay: 20_000 })).toEqual({ firstDay: 19_999, lastDay: 20_000 })
})

function counted(all: readonly SettledReservation[]) {
  return { settled: all, withdrawn: [] }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
