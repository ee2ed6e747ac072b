import type { Clock } from '../ports.ts'

/**
 * What `work` comes to, or `otherwise` when it fails or is not there after `ms`. Never rejects. Work that comes too late
 * goes on unheard.
 */
export function within<T, U>(clock: Clock, ms: number, work: Promise<T>, otherwise: U): Promise<T | U> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(otherwise))
    const done = (value: T | U): void => {
      cancel()
      resolve(value)
    }
    work.then(done, () => done(otherwise))
  })
}
