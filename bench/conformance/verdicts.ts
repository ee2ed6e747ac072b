import type { RawResult, SuiteTest, TestGroup } from './suite.ts'

/** How a test came out; only `pass` counts. */
type Verdict = 'pass' | 'fail' | 'setup' | 'dependency' | 'untested'

export interface Judged {
  readonly id: string
  readonly group: string
  readonly kind: 'required' | 'optimal' | 'check'
  readonly verdict: Verdict
  /** The suite's words on a test that did not pass. */
  readonly words: string
}

/** Judges results as the suite's own page does: a test whose dependency did not pass is not judged. */
export function judgeResults(
  groups: readonly TestGroup[],
  results: Readonly<Record<string, RawResult>>,
): readonly Judged[] {
  const tests = new Map(groups.flatMap((group) => group.tests).map((test) => [test.id, test]))
  const verdictOf = (test: SuiteTest): Verdict => {
    const result = results[test.id]
    if (result === undefined) return 'untested'
    const depends = (test.depends_on ?? []).map((id) => tests.get(id))
    if (depends.some((other) => other === undefined || verdictOf(other) !== 'pass')) return 'dependency'
    if (result === true) return 'pass'
    return result[0] === 'Setup' ? 'setup' : 'fail'
  }
  return groups.flatMap((group) =>
    group.tests.map((test) => {
      const result = results[test.id]
      const words = result === undefined || result === true ? '' : result[1]
      const kind = test.kind ?? 'required'
      return { id: test.id, group: group.id, kind, verdict: verdictOf(test), words }
    }),
  )
}

/** How many tests of a kind passed. */
export function passesOf(judged: readonly Judged[], kind: Judged['kind']): number {
  return judged.filter((test) => test.kind === kind && test.verdict === 'pass').length
}
