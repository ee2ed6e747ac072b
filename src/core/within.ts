/** What runs an action once after `ms`, unless the returned function is called first: a clock. */
interface Timers {
  after(ms: number, action: () => void): () => void
}

/**
 * What `work` comes to, or `otherwise` when it fails or is not there after `ms`. Never rejects. Work that comes too late
 * goes on unheard.
 */
export function within<T, U>(timers: Timers, ms: number, work: Promise<T>, otherwise: U): Promise<T | U> {
  return new Promise((resolve) => {
    const cancel = timers.after(ms, () => resolve(otherwise))
    const done = (value: T | U): void => {
      cancel()
      resolve(value)
    }
    work.then(done, () => done(otherwise))
  })
}
