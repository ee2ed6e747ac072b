/**
 * A time that doubles with each attempt and is capped; milliseconds.
 * @param tries attempts so far, at least 1
 */
export function doublingMs(
  tries: number,
  { baseMs, capMs }: { readonly baseMs: number; readonly capMs: number },
): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(tries - 1, 20))
}
