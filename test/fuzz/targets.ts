import { config } from './config.ts'
import { Draw } from './draw.ts'
import { eventStream } from './event-stream.ts'
import { headers } from './headers.ts'
import { key } from './key.ts'
import { path } from './path.ts'
import type { FuzzTarget } from './target.ts'

/** A parser under fuzz, whatever its inputs are. */
export interface Target {
  readonly name: string
  /** Bytes that one input is made of, at most. */
  readonly bytesMax: number
  readonly kinds: readonly string[]
  /** The input that bytes make; goes through JSON unchanged. */
  inputOf(bytes: Uint8Array): unknown
  /**
   * @param input as `inputOf` gives it, or as a fixture holds it
   * @param faults functions to test in place of the real ones of the same name
   * @returns what kinds of case the input was
   * @throws {Violation} when something does not hold
   */
  check(input: unknown, faults?: Readonly<Record<string, unknown>>): readonly string[]
}

function erased<Input, Subject>(target: FuzzTarget<Input, Subject>): Target {
  const { name, bytesMax, kinds, subject } = target
  return {
    name,
    bytesMax,
    kinds,
    inputOf: (bytes) => target.make(new Draw(bytes)),
    check: (input, faults) => target.check(input as Input, { ...subject, ...faults }),
  }
}

/** Everything that is fuzzed, by name. */
export const targets: readonly Target[] = [
  erased(path),
  erased(headers),
  erased(config),
  erased(key),
  erased(eventStream),
]
