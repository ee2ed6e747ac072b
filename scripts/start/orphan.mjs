/** npm does not pass every signal on to what it runs; what it has left behind must notice. */
import { readFileSync } from 'node:fs'

const pauseMs = 250

/**
 * Calls `act` when the npm that started this process is gone. Does nothing where npm did not.
 * @param {() => unknown} act
 */
export function whenOrphaned(act) {
  if (process.env['npm_lifecycle_event'] === undefined) return
  const before = ancestry()
  const timer = setInterval(() => {
    if (ancestry() === before) return
    clearInterval(timer)
    act()
  }, pauseMs)
  timer.unref()
}

/** The parent, and the one of the shell that npm puts in between, where the system shows it. */
function ancestry() {
  const parent = process.ppid
  try {
    // proc(5): pid (name) state ppid …
    const [, name, shellParent] =
      /\((.*)\) \S (\d+) /s.exec(readFileSync(`/proc/${parent}/stat`, 'utf8')) ?? []
    return /^(ba|da|z)?sh$/.test(name ?? '') ? `${parent} ${shellParent}` : String(parent)
  } catch {
    return String(parent)
  }
}
