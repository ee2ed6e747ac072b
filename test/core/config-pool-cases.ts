import type { BadCase } from './config-limit-cases.ts'
import { withDocument, withRoute, withTarget } from './config-samples.ts'

const resend = (policy: Record<string, unknown>) => withRoute({ resend: policy })
const pool = (settings: Record<string, unknown>) =>
  withDocument((draft) => void Object.assign(draft.upstreams['llm'] ?? {}, settings))
const poolPath = '$.upstreams.llm'

export const badPoolCases: readonly BadCase[] = [
  ['a choice by chance', pool({ choose: 'random' }), `${poolPath}.choose`, true],
  ['eleven retries', pool({ retries: { max: 11 } }), `${poolPath}.retries.max`, true],
  [
    'a budget above all requests',
    pool({ retries: { budgetShare: 2 } }),
    `${poolPath}.retries.budgetShare`,
    true,
  ],
  ['a slip in retries', pool({ retries: { capMS: 1 } }), `${poolPath}.retries.capMS`, true],
  ['a deadline of nothing', pool({ retries: { deadlineMs: 0 } }), `${poolPath}.retries.deadlineMs`, true],
  ['no failures allowed', pool({ health: { failures: 0 } }), `${poolPath}.health.failures`, true],
  ['failing fast by word', pool({ health: { failFast: 'yes' } }), `${poolPath}.health.failFast`, true],
  ['checks all the time', pool({ health: { checkEveryMs: 999 } }), `${poolPath}.health.checkEveryMs`, true],
  ['checks of nothing', pool({ health: { checkEveryMs: 1_000 } }), `${poolPath}.targets`, false],
  ['no places', pool({ concurrency: { max: 0 } }), `${poolPath}.concurrency.max`, true],
  ['places until later', pool({ concurrency: { until: 'later' } }), `${poolPath}.concurrency.until`, true],
  ['hedging beyond all', pool({ hedgeShare: 1.5 }), `${poolPath}.hedgeShare`, true],
  ['a negative weight', withTarget({ weight: -1 }), `${poolPath}.targets[0].weight`, true],
  ['a share above all', withTarget({ canaryShare: 1.1 }), `${poolPath}.targets[0].canaryShare`, true],
  ['canaries only', withTarget({ canaryShare: 0.1 }), `${poolPath}.targets`, false],
  ['a model without a name', withTarget({ models: { a: '' } }), `${poolPath}.targets[0].models.a`, true],
  ['a check with a query', withTarget({ checkPath: '/models?x' }), `${poolPath}.targets[0].checkPath`, true],
  ['a check that climbs', withTarget({ checkPath: '/a/../b' }), `${poolPath}.targets[0].checkPath`, true],
  [
    'a first content of nothing',
    withTarget({ timeouts: { firstContentMs: 0 } }),
    `${poolPath}.targets[0].timeouts.firstContentMs`,
    true,
  ],
  ['a resend by name', resend({ unsafe: 'POST' }), '$.routes[0].resend.unsafe', true],
  ['a buffer beyond memory', resend({ bufferBytes: 2 ** 30 }), '$.routes[0].resend.bufferBytes', true],
  ['a slip in resend', resend({ hedged: true }), '$.routes[0].resend.hedged', true],
]

export const goodPoolCases: readonly (readonly [name: string, document: unknown])[] = [
  [
    'a pool with everything',
    pool({
      choose: 'sticky-prefix',
      retries: {
        max: 1,
        baseMs: 1,
        capMs: 1,
        retryAfterMsMax: 1,
        deadlineMs: null,
        budgetShare: 0,
        minPerSecond: 0.5,
      },
      health: {
        failures: 1,
        failureShare: 1,
        callsMin: 1,
        windowMs: 1,
        openMs: 1,
        failFast: true,
        checkEveryMs: null,
      },
      concurrency: { max: 1, until: 'end', queueMax: 0, queueMs: 1 },
      hedgeShare: 0,
    }),
  ],
  [
    'a target of a pool',
    withTarget({
      weight: 0.5,
      canaryShare: null,
      models: { 'gpt-4o': 'llama' },
      checkPath: '/v1/models',
      timeouts: { firstContentMs: 5 },
    }),
  ],
  [
    'a pool that is checked without traffic',
    pool({
      health: { checkEveryMs: 3_600_000 },
      targets: [{ origin: 'https://a.test', checkPath: '/v1/models' }, { origin: 'https://b.test' }],
    }),
  ],
  ['as many calls as come', pool({ concurrency: { max: null } })],
  ['a resend with everything', resend({ unsafe: true, hedge: true, bufferBytes: 0 })],
  ['a resend that says nothing', resend({})],
]
