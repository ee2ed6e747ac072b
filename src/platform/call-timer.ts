import type { CallTimer, Clock } from '../ports.ts'

const idle = (): void => {}

/**
 * One timer for the successive deadlines of a call. A later deadline leaves the runtime's timer as it is and is looked
 * at when that fires: almost every call is over by then, and setting a timer costs more than reading the clock.
 */
export function createCallTimer(clock: Clock): CallTimer {
  let dueMs = Infinity
  let firesMs = Infinity
  let expire = idle
  let disarm: (() => void) | null = null

  const arm = (nowMs: number) => {
    disarm?.()
    firesMs = dueMs
    disarm = clock.after(dueMs - nowMs, fire)
  }
  const fire = () => {
    disarm = null
    firesMs = Infinity
    const nowMs = clock.nowMs()
    if (nowMs >= dueMs) expire()
    else if (dueMs < Infinity) arm(nowMs)
  }
  return {
    set(afterMs, action) {
      const nowMs = clock.nowMs()
      dueMs = nowMs + afterMs
      expire = action
      if (dueMs < firesMs) arm(nowMs)
    },
    stop() {
      dueMs = Infinity
      expire = idle
      firesMs = Infinity
      disarm?.()
      disarm = null
    },
  }
}
