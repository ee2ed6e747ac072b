import type { SettledReservation } from '../limit/messages.ts'

const hourMs = 60 * 60 * 1_000
const hoursADay = 24

/** Days for which usage is kept by the hour; older hours become days. */
export const hoursKeptDays = 40

/** Models kept apart in an hour of a key; a client that makes up names fills no more rows than these. */
export const modelsAnHourMax = 100

/** Stands for the models beyond `modelsAnHourMax`. */
export const otherModels = '(other)'

const modelLengthMax = 200

/** What exchanges came to. Money in micro-dollars; exchanges of models without a price add none. */
export interface UsageTotals {
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly microUsd: number
  /** Requests whose tokens the gateway worked out. */
  readonly estimated: number
  /** Requests that nobody settled: charged as they were reserved. */
  readonly lost: number
}

/** What usage is kept by. */
export interface UsagePlace {
  readonly key: string
  /** Empty where no model was named. */
  readonly model: string
  readonly route: string
  /** UTC hours since the epoch. */
  readonly hour: number
}

/** Usage of one place, and when the last of its exchanges ended. */
export interface UsageEntry extends UsagePlace, UsageTotals {
  readonly endedMs: number
}

export const noUsage: UsageTotals = {
  requests: 0,
  inputTokens: 0,
  outputTokens: 0,
  microUsd: 0,
  estimated: 0,
  lost: 0,
}

export function addUsage(a: UsageTotals, b: UsageTotals): UsageTotals {
  return {
    requests: a.requests + b.requests,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    microUsd: a.microUsd + b.microUsd,
    estimated: a.estimated + b.estimated,
    lost: a.lost + b.lost,
  }
}

/** The UTC hour of a time, in hours since the epoch. */
export function hourOf(atMs: number): number {
  return Math.floor(atMs / hourMs)
}

/** The UTC day of an hour, in days since the epoch. */
export function dayOf(hour: number): number {
  return Math.floor(hour / hoursADay)
}

/** The first hour of a UTC day. */
export function firstHourOf(day: number): number {
  return day * hoursADay
}

/** A UTC day as `2026-10-23`. */
export function dayText(day: number): string {
  return new Date(day * hoursADay * hourMs).toISOString().slice(0, 10)
}

/** The first hour that is kept as an hour; a day is never half hours and half a day. */
export function firstHourKept(nowMs: number): number {
  return firstHourOf(dayOf(hourOf(nowMs)) - hoursKeptDays)
}

/**
 * Sums settlements by key, model, route and UTC hour, so that a message writes one row for each place and not for each
 * exchange. An exchange counts in the hour in which it ended, as far as the clock of its isolate can be believed: never
 * after `nowMs`, and never in an hour that has become part of a day.
 * @param withdrawn settlements that were counted before and count no more
 */
export function rollUp(
  { settled, withdrawn }: { readonly [W in 'settled' | 'withdrawn']: readonly SettledReservation[] },
  nowMs: number,
): readonly UsageEntry[] {
  const entries = new Map<string, UsageEntry>()
  const changes = [
    ...settled.map((each) => entryOf(each, nowMs)),
    ...withdrawn.map((each) => negative(entryOf(each, nowMs))),
  ]
  for (const entry of changes) {
    const name = JSON.stringify([entry.key, entry.model, entry.route, entry.hour])
    const sum = entries.get(name)
    entries.set(name, sum === undefined ? entry : merged(sum, entry))
  }
  return [...entries.values()]
}

function entryOf(settled: SettledReservation, nowMs: number): UsageEntry {
  const endedMs = Math.min(settled.endedMs, nowMs)
  return {
    key: settled.key,
    model: (settled.model ?? '').slice(0, modelLengthMax),
    route: settled.route,
    hour: Math.max(hourOf(endedMs), firstHourKept(nowMs)),
    endedMs,
    requests: 1,
    inputTokens: settled.inputTokens,
    outputTokens: settled.outputTokens,
    microUsd: settled.microUsd ?? 0,
    estimated: settled.source === 'estimated' ? 1 : 0,
    lost: settled.source === 'lost' ? 1 : 0,
  }
}

function merged(a: UsageEntry, b: UsageEntry): UsageEntry {
  return { ...a, ...addUsage(a, b), endedMs: Math.max(a.endedMs, b.endedMs) }
}

function negative(entry: UsageEntry): UsageEntry {
  return {
    ...entry,
    requests: -entry.requests,
    inputTokens: -entry.inputTokens,
    outputTokens: -entry.outputTokens,
    microUsd: -entry.microUsd,
    estimated: -entry.estimated,
    lost: -entry.lost,
  }
}
