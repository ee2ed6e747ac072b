import { dropOldest } from '../drop-oldest.ts'
import type { Target } from '../config/types.ts'
import { hashText } from './sticky.ts'

/**
 * What somebody else has found out about a target: an isolate that took it out, or a check without traffic. Ages and not
 * times, since clocks differ.
 */
export interface TargetHint {
  /** `targetKey` of the target. */
  readonly target: string
  readonly state: 'out' | 'well'
  /** How long ago that was found out. Milliseconds. */
  readonly agoMs: number
  /** For how long it may still be believed. Milliseconds. */
  readonly forMs: number
}

/** A hint in the time of whoever heard it. Milliseconds since the epoch. */
export interface HeardHint {
  readonly state: TargetHint['state']
  readonly atMs: number
  readonly untilMs: number
}

/** How long an isolate believes a hint, and how long what an isolate has found out is told. Milliseconds. */
export const hintMs = 15_000

/** Hints in one message, and targets that a board knows of. */
export const hintsMax = 64

/** The longest name of a target: those of its upstream, its number and a hash. */
const keyLengthMax = 100
/** The longest life that is taken from a message. Milliseconds. */
const lifeMsMax = 600_000

/** A target's name among isolates: its id, and a hash of its address, since another version may number it otherwise. */
export function targetKey({ id, origin, basePath }: Pick<Target, 'id' | 'origin' | 'basePath'>): string {
  return `${id}#${hashText(origin + basePath).toString(16)}`
}

/** Whether a text may be the name of a target. */
export function isTargetKey(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= keyLengthMax
}

/** Reads hints of a message that another version may have sent: what makes no sense, and what is too much, is left out. */
export function readHints(value: unknown): readonly TargetHint[] {
  if (!Array.isArray(value)) return none
  return value.slice(0, hintsMax).flatMap((item: unknown) => readHint(item) ?? [])
}

function readHint(value: unknown): TargetHint | null {
  if (typeof value !== 'object' || value === null) return null
  const { target, state, agoMs, forMs } = value as Readonly<Record<string, unknown>>
  if (!isTargetKey(target) || (state !== 'out' && state !== 'well')) return null
  return isTime(agoMs) && isTime(forMs) ? { target, state, agoMs, forMs: Math.min(forMs, lifeMsMax) } : null
}

/**
 * A hint in the time of whoever hears it.
 * @param saidMs when it was said at the earliest
 */
export function heardAt({ state, agoMs, forMs }: TargetHint, saidMs: number): HeardHint {
  return { state, atMs: saidMs - agoMs, untilMs: saidMs + forMs }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}

const none: readonly TargetHint[] = []

/** The newest word on each target, until it expires. */
export class HintBoard {
  readonly #heard = new Map<string, HeardHint>()

  /**
   * Notes a hint. An older word on a target than the one that is known changes nothing; the same word holds for the longer
   * of the two times.
   */
  note(target: string, heard: HeardHint): void {
    const known = this.#heard.get(target)
    if (known !== undefined && known.atMs > heard.atMs) return
    const untilMs = known?.state === heard.state ? Math.max(known.untilMs, heard.untilMs) : heard.untilMs
    this.#heard.delete(target)
    this.#heard.set(target, { ...heard, untilMs })
    dropOldest(this.#heard, hintsMax)
  }

  /** What is known of a target; null when nothing is, or not any more. */
  get(target: string, nowMs: number): HeardHint | null {
    const heard = this.#heard.get(target)
    return heard === undefined || heard.untilMs <= nowMs ? null : heard
  }

  /** Everything that is known, for a message. */
  tell(nowMs: number): readonly TargetHint[] {
    if (this.#heard.size === 0) return none
    const told: TargetHint[] = []
    for (const [target, { state, atMs, untilMs }] of this.#heard) {
      if (untilMs <= nowMs) this.#heard.delete(target)
      else told.push({ target, state, agoMs: Math.max(0, nowMs - atMs), forMs: untilMs - nowMs })
    }
    return told
  }
}
