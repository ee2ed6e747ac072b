import type { Job } from './job.ts'

/** Waits before an attempt, no longer than the client stays. Counted as waiting of its own. */
export async function pause({ x, deps }: Job, ms: number): Promise<void> {
  const { clock } = deps
  const begunMs = clock.nowMs()
  x.count('backoff')
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, () => done())
    const leave = (): void => {
      cancel()
      done()
    }
    const done = (): void => {
      x.signal.removeEventListener('abort', leave)
      resolve()
    }
    x.signal.addEventListener('abort', leave, { once: true })
  })
  x.waited('backoff', clock.nowMs() - begunMs)
}
