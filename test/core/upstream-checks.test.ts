import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultHealth } from '../../src/core/config/defaults.ts'
import { parseConfig } from '../../src/core/config/parse.ts'
import type { Target } from '../../src/core/config/types.ts'
import { Pools } from '../../src/core/upstream/pools.ts'
import {
  checkedTarget,
  checkRequest,
  checksMax,
  checksOf,
  isWell,
  readChecks,
  type TargetCheck,
} from '../../src/core/upstream/target-check.ts'
import { targetWith, upstreamWith } from '../support/routes.ts'

const health = { ...defaultHealth, checkEveryMs: 30_000 }
const checkPath = '/v1/models'

function only(checks: readonly TargetCheck[]): TargetCheck {
  const [check] = checks
  if (check === undefined || checks.length !== 1) throw new Error(`${checks.length} checks`)
  return check
}

/** What comes of a check that is sent and read. */
const sent = (checks: unknown): readonly TargetCheck[] => readChecks(JSON.parse(JSON.stringify(checks)))

describe('an upstream', () => {
  it('has none of its targets checked without traffic unless it says how often', () => {
    expect(checksOf(upstreamWith([targetWith({ checkPath })]))).toEqual([])
  })

  it('has only those checked that have a path for it', () => {
    const targets = [targetWith({ checkPath }), targetWith({ id: 'up/1' })]
    expect(checksOf(upstreamWith(targets, { health }))).toMatchObject([
      { everyMs: 30_000, as: { checkPath } },
    ])
  })

  it('that nobody has used for five minutes asks for no more', () => {
    const pools = new Pools()
    pools.of(upstreamWith([targetWith({ checkPath })], { health }), 1_000)
    expect(pools.checksWanted(300_999)).toHaveLength(1)
    expect(pools.checksWanted(301_000)).toEqual([])
  })
})

describe('a check on its way', () => {
  const secret = { secret: 'OPENAI_API_KEY', header: 'authorization', prefix: 'Bearer ' }

  it('asks what a configuration said, with the secret by name only', () => {
    const document = {
      version: 1,
      upstreams: {
        llm: {
          dialect: 'anthropic',
          health: { checkEveryMs: 5_000 },
          targets: [
            { origin: 'https://one.test/base', checkPath, secret: { secret: 'ANTHROPIC_API_KEY' } },
            { origin: 'http://two.test:81', checkPath: '/', dialect: 'http', timeouts: { firstByteMs: 70 } },
          ],
        },
      },
      routes: [{ id: 'r', path: '/*', upstream: 'llm', dialect: 'http' }],
    }
    const parsed = parseConfig(document)
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
    const upstream = parsed.routes[0]?.upstream
    if (upstream === undefined) throw new Error('no upstream')
    const targets = sent(checksOf(upstream)).map(checkedTarget)
    const requests = targets.map((target) => {
      const { url, headers, limitMs } = checkRequest(
        target ?? targetWith(),
        target?.checkPath ?? '',
        's3cret',
      )
      return { url, headers: Object.fromEntries(headers), limitMs }
    })
    expect(requests).toEqual([
      {
        url: 'https://one.test/base/v1/models',
        headers: { accept: '*/*', 'x-api-key': 's3cret', 'anthropic-version': '2023-06-01' },
        limitMs: 10_000,
      },
      { url: 'http://two.test:81/', headers: { accept: '*/*' }, limitMs: 70 },
    ])
  })

  it('reads as the target that it was written from', () => {
    const targets = fc.record({
      dialect: fc.constantFrom<Target['dialect']>('openai', 'anthropic', 'http'),
      basePath: fc.constantFrom('', '/api', '/a/b'),
      secret: fc.constantFrom(null, secret, { secret: 'K', header: 'x-key', prefix: '' }),
      firstByteMs: fc.integer({ min: 1, max: 5_000 }),
    })
    fc.assert(
      fc.property(targets, ({ firstByteMs, ...change }) => {
        const target = targetWith({
          ...change,
          checkPath,
          timeouts: { ...targetWith().timeouts, firstByteMs },
        })
        const check = only(sent(checksOf(upstreamWith([target], { health }))))
        const {
          origin,
          basePath,
          dialect,
          secret: reference,
          timeouts,
        } = checkedTarget(check) ?? targetWith()
        expect({ origin, basePath, dialect, reference }).toEqual({
          origin: target.origin,
          basePath: target.basePath,
          dialect: target.dialect,
          reference: target.secret,
        })
        expect(timeouts.firstByteMs).toBe(firstByteMs)
      }),
    )
  })

  it.each<[string, object]>([
    ["the gateway's own secrets", { secret: { secret: 'SLUICE_OPERATOR_TOKEN' } }],
    ['a user name in its address', { origin: 'https://user:pass@one.test' }],
    ['an address that is no web address', { origin: 'file:///etc/passwd' }],
    ['an address with a query', { origin: 'https://one.test/?to=x' }],
    ['a path that climbs', { checkPath: '/../admin' }],
    ['a path with a query', { checkPath: '/v1/models?x' }],
    ['no path', { checkPath: null }],
    ['a header that breaks the line', { secret: { ...secret, prefix: 'x\r\ny: ' } }],
    ['a method of its own', { method: 'POST' }],
    ['a body', { body: '{"model":"gpt-4o"}' }],
  ])('is not asked with %s', (_, change) => {
    const check = only(sent(checksOf(upstreamWith([targetWith({ checkPath, secret })], { health }))))
    expect(checkedTarget(check)).not.toBeNull()
    expect(checkedTarget({ ...check, as: { ...check.as, ...change } })).toBeNull()
  })

  it('of any kind is read without an error, and so many at most are', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        for (const check of [...readChecks(value), ...readChecks([value])]) checkedTarget(check)
      }),
    )
    const good = { target: 'up/0#1', everyMs: 1_000, as: {} }
    expect(readChecks(Array.from({ length: 500 }, () => good))).toHaveLength(checksMax)
    const bad = [{ everyMs: 999 }, { everyMs: 3_600_001 }, { everyMs: '1000' }, { as: null }, { target: 1 }]
    expect(readChecks([...bad.map((change) => Object.assign({}, good, change)), good])).toEqual([good])
  })
})

it.each([
  [200, true],
  [301, true],
  [401, true],
  [404, true],
  [429, false],
  [500, false],
  [503, false],
])('a target that answers a check with %i is well: %s', (status, well) => {
  expect(isWell(status)).toBe(well)
})
