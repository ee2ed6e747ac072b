import type { LimitSpec } from '../spec.ts'
import { periodMsOf } from './lease-terms.ts'

/** How a window is cut into slots. Permits are charged to a slot, and count until all of the slot is over. */
export interface WindowShape {
  /** The slot of a time; later slots have greater numbers. */
  slotOf(atMs: number): number
  /** When permits charged to a slot count no more. */
  leavesMs(slot: number): number
  /** Whether permits charged to a slot count at a time. */
  counts(slot: number, nowMs: number): boolean
  /** The latest time at which permits charged to a slot may have been used, as far as is known at a time. */
  usedByMs(slot: number, nowMs: number): number
  /** Nothing granted before it may be used after it. */
  boundaryMs(nowMs: number): number
  /** When the window begins whose first charge is in a slot, and how long it lasts. */
  beginsMs(firstSlot: number): number
  endsMs(firstSlot: number): number
  /** Whether slots leave one by one. */
  readonly rolls: boolean
  /** How far ahead room is stored that was not granted yet. Milliseconds. */
  readonly aheadMs: number
}

const slotsOfRing = 120

/**
 * A window that rolls: a ring of 120 slots. A slot counts until its last millisecond has left the window, so that never
 * more than the limit is used in any window, and the limit is free again at most a 120th of the window late.
 */
export function rolling(windowMs: number): WindowShape {
  const slotMs = windowMs / slotsOfRing
  const leavesMs = (slot: number): number => (slot + 1) * slotMs + windowMs
  return {
    slotOf: (atMs) => Math.floor(atMs / slotMs),
    leavesMs,
    counts: (slot, nowMs) => leavesMs(slot) > nowMs,
    usedByMs: (slot) => (slot + 1) * slotMs - 1,
    boundaryMs: () => Infinity,
    beginsMs: (firstSlot) => firstSlot * slotMs,
    endsMs: (firstSlot) => firstSlot * slotMs + windowMs,
    rolls: true,
    aheadMs: windowMs / 20,
  }
}

/** A calendar window, of UTC: one slot, which is over at the boundary. */
export function calendar(unit: 'day' | 'month'): WindowShape {
  const begins = unit === 'day' ? (slot: number): number => slot * 86_400_000 : monthBegins
  const slotOf = unit === 'day' ? (atMs: number): number => Math.floor(atMs / 86_400_000) : monthOf
  return {
    slotOf,
    leavesMs: (slot) => begins(slot + 1),
    counts: (slot, nowMs) => slot === slotOf(nowMs),
    usedByMs: (_, nowMs) => nowMs,
    boundaryMs: (nowMs) => begins(slotOf(nowMs) + 1),
    beginsMs: begins,
    endsMs: (firstSlot) => begins(firstSlot + 1),
    rolls: false,
    aheadMs: 0,
  }
}

/** The shape of the window of a limit that is no rate. */
export function shapeOf(spec: LimitSpec): WindowShape {
  return spec.calendar === null ? rolling(periodMsOf(spec)) : calendar(spec.calendar)
}

function monthOf(atMs: number): number {
  const date = new Date(atMs)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

function monthBegins(slot: number): number {
  return Date.UTC(Math.floor(slot / 12), slot % 12)
}
