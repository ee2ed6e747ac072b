import type { ConfigProblem } from './types.ts'

const problemsMax = 500

/** Collects what is wrong with a document, so that all of it is reported at once. */
export interface ProblemList {
  add(path: string, expected: string, found: string): void
  /** What was collected; beyond 500 problems only their number. */
  all(): readonly ConfigProblem[]
}

export function problemList(): ProblemList {
  const problems: ConfigProblem[] = []
  let more = 0
  return {
    add(path, expected, found) {
      if (problems.length < problemsMax) problems.push({ path, expected, found })
      else more += 1
    },
    all() {
      if (more === 0) return problems
      return [...problems, { path: '$', expected: 'no problems', found: `${more} more than are listed here` }]
    },
  }
}
