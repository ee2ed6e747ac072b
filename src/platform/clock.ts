import type { Clock } from '../ports.ts'

/** The runtime's clock. On Cloudflare it stands still between I/O operations. */
export const clock: Clock = {
  nowMs: () => Date.now(),
  wait: (ms) => scheduler.wait(ms),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}
