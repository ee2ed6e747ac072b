import { doublingMs } from '../doubling.ts'

/**
 * How long to wait before a target is asked again: anything up to a time that doubles with each attempt and is capped
 * ("full jitter"), so that clients which failed together do not come back together.
 *
 * @param tries attempts so far, at least 1
 * @param fraction drawn from [0, 1)
 */
export function backoffMs(
  tries: number,
  policy: { readonly baseMs: number; readonly capMs: number },
  fraction: number,
): number {
  return Math.floor(fraction * doublingMs(tries, policy))
}
