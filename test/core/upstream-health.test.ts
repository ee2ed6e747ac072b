import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultHealth } from '../../src/core/config/defaults.ts'
import type { HealthPolicy } from '../../src/core/config/types.ts'
import { Health, type HealthReport } from '../../src/core/upstream/health.ts'

const policy: HealthPolicy = {
  ...defaultHealth,
  failures: 3,
  failureShare: 0.5,
  callsMin: 10,
  openMs: 1_000,
  windowMs: 5_000,
}
const fast: HealthPolicy = { ...policy, failFast: true }

function after(reports: readonly HealthReport[], of: HealthPolicy = policy): Health {
  const health = new Health(of)
  for (const [at, report] of reports.entries()) health.report(report, at)
  return health
}

const times = (count: number, report: HealthReport) => Array<HealthReport>(count).fill(report)

describe('a target is', () => {
  it.each<[string, readonly HealthReport[], HealthPolicy, string]>([
    ['well at first', [], policy, 'well'],
    ['well after one failure', ['failed'], policy, 'well'],
    ['left alone for a moment after two', ['failed', 'unanswered'], policy, 'shunned'],
    ['shunned after its failures in a row', times(3, 'failed'), policy, 'shunned'],
    ['shunned after no answers in a row', times(3, 'unanswered'), policy, 'shunned'],
    ['open after no answers in a row where it fails fast', times(3, 'unanswered'), fast, 'open'],
    ['only shunned after errors where it fails fast', times(30, 'failed'), fast, 'shunned'],
    ['well when an answer comes between', ['failed', 'failed', 'answered', 'failed'], policy, 'well'],
    ['well whatever clients do', times(100, 'ignored'), fast, 'well'],
    [
      'shunned when half of its calls fail',
      Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? 'answered' : 'failed')),
      policy,
      'shunned',
    ],
  ])('%s', (_, reports, of, condition) => {
    expect(after(reports, of).condition(reports.length)).toBe(condition)
  })

  it('probed by one call at a time once its time is over, and well when that is answered', () => {
    const health = after(times(3, 'unanswered'), fast)
    expect(health.condition(1_001)).toBe('open')
    expect(health.condition(1_002)).toBe('probe')
    health.beginProbe(1_002)
    expect(health.condition(1_003)).toBe('open')
    health.report('answered', 1_100)
    expect(health.condition(1_100)).toBe('well')
  })

  it('out for another while when its probe fails, whatever the others do that were under way', () => {
    const health = after(times(3, 'unanswered'), fast)
    for (let at = 10; at < 900; at += 10) health.report('unanswered', at)
    expect(health.condition(1_002)).toBe('probe')
    health.beginProbe(1_002)
    health.report('unanswered', 1_500)
    expect([health.condition(2_499), health.condition(2_500)]).toEqual(['open', 'probe'])
  })

  it('probed again when the one probe is never heard of, and at once when its client left', () => {
    const health = after(times(3, 'unanswered'), fast)
    health.beginProbe(2_000)
    expect([health.condition(2_999), health.condition(3_000)]).toEqual(['open', 'probe'])
    health.beginProbe(3_000)
    health.report('ignored', 3_001)
    expect(health.condition(3_001)).toBe('probe')
  })

  it('shunned when its answers break off in a row, though their headers were good', () => {
    const health = new Health(policy)
    for (let at = 0; at < 3; at += 1) {
      health.report('answered', at)
      health.reportEnd(false, at)
    }
    expect(health.condition(3)).toBe('shunned')
    const other = new Health(policy)
    for (const whole of [false, false, true, false, false]) other.reportEnd(whole, 0)
    expect(other.condition(1)).toBe('well')
  })

  it('left alone for as long as it asks, and no longer', () => {
    const health = new Health(policy)
    health.rest(500)
    health.rest(200)
    expect([health.condition(499), health.condition(500)]).toEqual(['shunned', 'well'])
  })
})

const report = fc.constantFrom<HealthReport>('answered', 'failed', 'unanswered', 'ignored')
const event = fc.record({ report, afterMs: fc.nat(3_000), probes: fc.boolean() })

describe('whatever happens', () => {
  it('a target that does not fail fast is never closed to its callers', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const health = new Health(policy)
        let nowMs = 0
        for (const each of events) {
          nowMs += each.afterMs
          if (health.condition(nowMs) === 'probe' && each.probes) health.beginProbe(nowMs)
          health.report(each.report, nowMs)
          expect(health.condition(nowMs)).not.toBe('open')
        }
      }),
    )
  })

  it('a target that is out may be probed after its time at the latest, and one good probe brings it back', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const health = new Health(fast)
        let nowMs = 0
        for (const each of events) {
          nowMs += each.afterMs
          if (health.condition(nowMs) === 'probe' && each.probes) health.beginProbe(nowMs)
          health.report(each.report, nowMs)
        }
        const condition = health.condition(nowMs + 2 * fast.openMs)
        expect(['well', 'probe']).toContain(condition)
        health.report('answered', nowMs + 2 * fast.openMs)
        expect(health.condition(nowMs + 2 * fast.openMs)).toBe('well')
      }),
    )
  })
})
