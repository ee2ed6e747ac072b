import { describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { limitForm } from '../../src/core/limit/kinds/limit-form.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'
import { glmStats } from '../../src/core/usage/glm-stats.ts'
import type { KeyStanding, LimitUse } from '../../src/core/usage/usage-report.ts'
import { daysAsked, viewUsage } from '../../src/core/usage/usage-view.ts'

const hourMs = 3_600_000
const nowMs = Date.UTC(2026, 9, 23, 12)

const record: KeyRecord = {
  schema: 1,
  account: 'acc0000000',
  id: 'key0000000',
  name: 'laptop',
  version: 3,
  state: 'active',
  hash: 'CANARY',
  scopes: [],
  models: { allow: ['glm-4.7'], deny: [] },
  limits: [],
  strict: false,
  createdAtMs: Date.UTC(2026, 0, 1),
  expiresAtMs: Date.UTC(2026, 11, 31),
  revokedAtMs: null,
}
const lifetime = {
  requests: 4,
  inputTokens: 1000,
  outputTokens: 234,
  microUsd: 9,
  estimated: 2,
  lost: 1,
  lastUsedMs: Date.UTC(2026, 9, 23, 11),
}

function use(level: LimitUse['level'], changes: Partial<LimitSpec> = {}): LimitUse {
  const spec: LimitSpec = {
    name: 'tok5h',
    kind: 'token-window',
    max: level === 'key' ? 1000 : 5000,
    periodMs: 5 * hourMs,
    burst: null,
    calendar: null,
    durability: 'strict',
    onFailure: 'closed',
    reserve: 'auto',
    ...changes,
  }
  const window = { windowStartsMs: nowMs - hourMs, windowEndsMs: nowMs + 4 * hourMs }
  return { spec, level, used: 250, left: spec.max - 250, ...window }
}

const standing: KeyStanding = { record, lifetime, limits: [use('account'), use('key')] }

describe('how a key stands in the shape of glm-proxy', () => {
  test('has every field of it', () => {
    expect(glmStats(standing, 'slc_t1_acc0000000_key0000000', nowMs)).toEqual({
      key: 'slc_t1_acc0000000_key0000000…',
      name: 'laptop',
      model: 'glm-4.7',
      token_limit_per_5h: 1000,
      expiry_date: '2026-12-31T00:00:00.000Z',
      created_at: '2026-01-01T00:00:00.000Z',
      last_used: '2026-10-23T11:00:00.000Z',
      is_expired: false,
      current_usage: {
        tokens_used_in_current_window: 250,
        window_started_at: '2026-10-23T11:00:00.000Z',
        window_ends_at: '2026-10-23T16:00:00.000Z',
        remaining_tokens: 750,
      },
      total_lifetime_tokens: 1234,
    })
  })

  test("has the account's window where the key has none of 5 h, and null where nobody has", () => {
    const others = [use('key', { periodMs: hourMs }), use('key', { kind: 'request-window' })]
    const ofAccount = glmStats({ ...standing, limits: [...others, use('account')] }, 'k', nowMs)
    expect(ofAccount.token_limit_per_5h).toBe(5000)
    expect(glmStats({ ...standing, limits: others }, 'k', nowMs)).toMatchObject({
      token_limit_per_5h: null,
      current_usage: {
        tokens_used_in_current_window: null,
        window_started_at: null,
        window_ends_at: null,
        remaining_tokens: null,
      },
    })
  })

  test.each([
    [null, null],
    [{ allow: null, deny: ['x'] }, null],
    [{ allow: [], deny: [] }, null],
    [{ allow: ['a', 'b'], deny: [] }, null],
    [{ allow: ['a'], deny: [] }, 'a'],
  ])('of a key with the models %j has the model %j', (models, model) => {
    expect(glmStats({ ...standing, record: { ...record, models } }, 'k', nowMs).model).toBe(model)
  })

  test('says when a key has expired, and of one that never does and was never used nothing', () => {
    const eternal = { ...record, expiresAtMs: null }
    const unused = { ...standing, record: eternal, lifetime: { ...lifetime, lastUsedMs: null } }
    expect(glmStats(unused, 'k', nowMs)).toMatchObject({
      expiry_date: null,
      is_expired: false,
      last_used: null,
    })
    const expired = { ...standing, record: { ...record, expiresAtMs: nowMs } }
    expect(glmStats(expired, 'k', nowMs).is_expired).toBe(true)
  })
})

describe('usage in our shape', () => {
  test('has key, lifetime, limits and days, and no secret', () => {
    const totals = { requests: 1, inputTokens: 2, outputTokens: 3, microUsd: 4, estimated: 0, lost: 0 }
    const days = [{ ...totals, day: '2026-10-23', model: null }]
    const view = viewUsage({ ...standing, limits: [use('key')], days })
    const { id, account, name, createdAtMs, expiresAtMs } = record
    expect(view).toEqual({
      key: { id, account, name, createdAtMs, expiresAtMs, lastUsedMs: lifetime.lastUsedMs },
      lifetime: {
        requests: 4,
        inputTokens: 1000,
        outputTokens: 234,
        costMicroUsd: 9,
        estimatedRequests: 2,
        lostRequests: 1,
      },
      limits: [
        {
          ...limitForm(use('key').spec),
          level: 'key',
          used: 250,
          left: 750,
          windowStartsMs: nowMs - hourMs,
          windowEndsMs: nowMs + 4 * hourMs,
        },
      ],
      days: [
        {
          day: '2026-10-23',
          model: null,
          requests: 1,
          inputTokens: 2,
          outputTokens: 3,
          costMicroUsd: 4,
          estimatedRequests: 0,
          lostRequests: 0,
        },
      ],
    })
    expect(JSON.stringify(view)).not.toContain('CANARY')
  })

  const today = Math.floor(nowMs / 86_400_000)
  test.each([
    ['', 30],
    ['?x=1', 30],
    ['?days=1', 1],
    ['?days=400', 400],
  ])('%j asks for %d days up to today', (query, days) => {
    expect(daysAsked(query, nowMs)).toEqual({ firstDay: today - days + 1, lastDay: today })
  })

  test.each(['0', '401', '', 'a', '1.5', '-1', '1e2'])('days=%s is nothing that can be asked for', (days) => {
    expect(daysAsked(`?days=${days}`, nowMs)).toBe(null)
  })
})
