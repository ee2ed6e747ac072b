import type { Bundle } from '../rig/bundle.ts'
import type { Doubts } from './guard.ts'
import type { Machine } from './machine.ts'
import type { Estimate } from './stats.ts'

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** 95 % interval, where there is one. */
  readonly low?: number
  readonly high?: number
}

/** All of a run that is needed to judge its figures or to take them again. */
export interface RunReport {
  readonly schema: 1
  readonly area: string
  readonly command: string
  readonly startedAt: string
  readonly machine: Machine
  readonly bundle: Pick<Bundle, 'sha256' | 'bytes' | 'gzipBytes'>
  readonly figures: readonly Figure[]
  readonly remarks: readonly string[]
  /** Why the figures of time do not count; empty when they do. */
  readonly doubts: Doubts
}

/** Takes what a run finds, in the order in which it finds it. */
export interface Findings {
  readonly figure: (name: string, value: number | Estimate, unit: string) => void
  readonly remark: (text: string) => void
  readonly doubt: (text: string) => void
}

/** `figure <name> <value> <unit>`: the one form in which a figure is published. */
export function figureLine({ name, value, unit }: Figure): string {
  return `figure ${name} ${written(value)} ${unit}`
}

/** Four significant digits, without an exponent. */
export function written(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const digits = Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value))))
  return String(Number(value.toFixed(Math.min(digits, 9))))
}

/** `[low, high]` for a remark. */
export function interval({ low, high }: Estimate): string {
  return `[${written(low)}, ${written(high)}]`
}
