/** Which code of `src` ran, by V8's own block coverage. */
import { Session } from 'node:inspector'

export class Coverage {
  #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Forgets what ran until now. */
  reset() {
    this.#session.post('Profiler.takePreciseCoverage')
  }

  /**
   * Every block that has run since, each with the power of two of how often it did: a loop that turns many more times
   * counts as new.
   * @returns {string[]}
   */
  take() {
    /** @type {import('node:inspector').Profiler.ScriptCoverage[]} */
    let scripts = []
    // Answered before `post` returns, since the session is of this thread.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      scripts = result
    })
    return scripts.filter(({ url }) => url.includes('/src/')).flatMap((script) => blocksOf(script))
  }
}

/** @param {import('node:inspector').Profiler.ScriptCoverage} script */
function blocksOf({ scriptId, functions }) {
  const ranges = functions.flatMap((each) => each.ranges).filter(({ count }) => count > 0)
  return ranges.map(({ startOffset, endOffset, count }) => {
    const power = Math.min(6, Math.floor(Math.log2(count)))
    return `${scriptId}:${startOffset}:${endOffset}:${power}`
  })
}
