import { setTimeout as wait } from 'node:timers/promises'

const pollMs = 5

/** Polls until it holds. @throws {Error} when it does not within the time */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 3_000): Promise<void> {
  const deadlineMs = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${String(holds)}`)
    await wait(pollMs)
  }
}

/** Runs the work over all items, at most `width` at a time; results in the order of the items. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const lane = async () => {
    for (const [at, item] of queue) results[at] = await work(item)
  }
  await Promise.all(Array.from({ length: width }, lane))
  return results
}
