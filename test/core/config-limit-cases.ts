import { withRoute } from './config-samples.ts'

/** A document that is wrong in one way: what it is, the path of the problem, and whether a schema can see it. */
export type BadCase = readonly [name: string, document: unknown, path: string, bySchema: boolean]

const limits = (...list: readonly unknown[]) => withRoute({ limits: list })
const requestRate = { kind: 'request-rate', max: 60 }
const tokenWindow = { kind: 'token-window', max: 1_000_000, periodSeconds: 18_000 }
const tokenBudget = { kind: 'token-budget', max: 1, calendar: 'day' }
const moneyBudget = { kind: 'money-budget', maxUsd: 5, calendar: 'month' }
const slots = { kind: 'concurrent-requests', max: 4 }

export const badLimitCases: readonly BadCase[] = [
  ['limits that are no list', withRoute({ limits: requestRate }), '$.routes[0].limits', true],
  ['a limit that is a number', limits(60), '$.routes[0].limits[0]', true],
  ['a limit of no kind', limits({ max: 60 }), '$.routes[0].limits[0].kind', true],
  ['a limit of another kind', limits({ kind: 'rpm', max: 60 }), '$.routes[0].limits[0].kind', true],
  ['a limit without max', limits({ kind: 'request-rate' }), '$.routes[0].limits[0].max', true],
  ['a limit of nothing', limits({ ...requestRate, max: 0 }), '$.routes[0].limits[0].max', true],
  ['a limit of half a token', limits({ ...tokenWindow, max: 0.5 }), '$.routes[0].limits[0].max', true],
  ['a limit beyond 10¹²', limits({ ...tokenWindow, max: 1e12 + 1 }), '$.routes[0].limits[0].max', true],
  ['more than 100,000 slots', limits({ ...slots, max: 100_001 }), '$.routes[0].limits[0].max', true],
  [
    'a window of no length',
    limits({ kind: 'request-window', max: 1 }),
    '$.routes[0].limits[0].periodSeconds',
    true,
  ],
  [
    'a period above 31 days',
    limits({ ...requestRate, periodSeconds: 2_678_401 }),
    '$.routes[0].limits[0].periodSeconds',
    true,
  ],
  ['a burst of a window', limits({ ...tokenWindow, burst: 5 }), '$.routes[0].limits[0].burst', true],
  ['a burst of 0', limits({ ...requestRate, burst: 0 }), '$.routes[0].limits[0].burst', true],
  [
    'a budget without calendar',
    limits({ kind: 'token-budget', max: 1 }),
    '$.routes[0].limits[0].calendar',
    true,
  ],
  ['a week', limits({ ...tokenBudget, calendar: 'week' }), '$.routes[0].limits[0].calendar', true],
  [
    'a period of a budget',
    limits({ ...tokenBudget, periodSeconds: 1 }),
    '$.routes[0].limits[0].periodSeconds',
    true,
  ],
  ['a max of money', limits({ ...moneyBudget, max: 5 }), '$.routes[0].limits[0].max', true],
  ['no money', limits({ ...moneyBudget, maxUsd: 0 }), '$.routes[0].limits[0].maxUsd', true],
  [
    'a tenth of a micro-dollar',
    limits({ ...moneyBudget, maxUsd: 0.0000011 }),
    '$.routes[0].limits[0].maxUsd',
    false,
  ],
  ['too much money', limits({ ...moneyBudget, maxUsd: 1_000_001 }), '$.routes[0].limits[0].maxUsd', true],
  ['dollars of tokens', limits({ ...tokenBudget, maxUsd: 1 }), '$.routes[0].limits[0].maxUsd', true],
  [
    'a durability of a window, which is always strict',
    limits({ ...tokenWindow, durability: 'default' }),
    '$.routes[0].limits[0].durability',
    true,
  ],
  [
    'a durability of slots',
    limits({ ...slots, durability: 'strict' }),
    '$.routes[0].limits[0].durability',
    true,
  ],
  [
    'a durability of its own',
    limits({ ...requestRate, durability: 'exact' }),
    '$.routes[0].limits[0].durability',
    true,
  ],
  [
    'a failure of its own',
    limits({ ...requestRate, onFailure: 'pass' }),
    '$.routes[0].limits[0].onFailure',
    true,
  ],
  ['reserved requests', limits({ ...requestRate, reserve: 'max' }), '$.routes[0].limits[0].reserve', true],
  [
    'a reserve of its own',
    limits({ ...tokenWindow, reserve: 'half' }),
    '$.routes[0].limits[0].reserve',
    true,
  ],
  ['a limit per address', limits({ ...requestRate, per: 'address' }), '$.routes[0].limits[0].per', true],
  ['a slip in a limit', limits({ ...requestRate, brust: 5 }), '$.routes[0].limits[0].brust', true],
  [
    'a limit’s name with a quote',
    limits({ ...requestRate, name: 'a"b' }),
    '$.routes[0].limits[0].name',
    true,
  ],
  [
    'a limit’s name of 41 letters',
    limits({ ...requestRate, name: 'a'.repeat(41) }),
    '$.routes[0].limits[0].name',
    true,
  ],
  [
    'two limits of one kind without names',
    limits(requestRate, requestRate),
    '$.routes[0].limits[1].name',
    false,
  ],
  [
    'two limits of one name',
    limits({ ...slots, name: 'a' }, { ...requestRate, name: 'a' }),
    '$.routes[0].limits[1].name',
    false,
  ],
  [
    'seventeen limits',
    limits(...Array.from({ length: 17 }, (_, at) => ({ ...requestRate, name: `l${at}` }))),
    '$.routes[0].limits',
    true,
  ],
  [
    'limits where there are no keys',
    withRoute({ auth: 'none', limits: [requestRate] }),
    '$.routes[0].limits',
    false,
  ],
  ['tokens of plain HTTP', withRoute({ limits: [requestRate, tokenWindow] }, 1), '$.routes[1].limits', false],
]

export const goodLimitCases: readonly (readonly [name: string, document: unknown])[] = [
  ['no limits', limits()],
  [
    'a limit of each kind',
    limits(
      requestRate,
      { kind: 'request-window', max: 1e12, periodSeconds: 2_678_400, per: 'account', onFailure: 'closed' },
      { kind: 'token-rate', max: 1, periodSeconds: 1, burst: 1e12, reserve: 'p90', durability: 'strict' },
      { ...tokenWindow, name: 'tok.5h', reserve: 'slices' },
      { ...tokenBudget, onFailure: 'coast' },
      { ...moneyBudget, maxUsd: 0.000_001 },
      slots,
      { kind: 'concurrent-streams', max: 100_000, onFailure: 'open' },
    ),
  ],
  ['limits of plain HTTP', withRoute({ limits: [requestRate, slots] }, 1)],
  ['limits where keys may be left out', withRoute({ auth: 'optional', limits: [moneyBudget] })],
]
