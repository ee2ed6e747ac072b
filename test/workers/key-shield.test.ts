import { describe, expect, test } from 'vitest'
import { defaultGateway } from '../../src/core/config/defaults.ts'
import type { GatewaySettings } from '../../src/core/config/types.ts'
import { createShield } from '../../src/platform/shield.ts'
import { exchangeWith } from '../support/exchanges.ts'

/** A rate-limit binding that lets each key pass once. */
function binding() {
  const seen: string[] = []
  return {
    seen,
    limit: async ({ key }: { key: string }) => {
      seen.push(key)
      return { success: seen.indexOf(key) === seen.length - 1 }
    },
  }
}

const cloudflare: GatewaySettings = { ...defaultGateway, clientAddress: 'cloudflare' }

describe('the shield', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
  ])('counts %s as %s', async (address, bucket) => {
    const counted = binding()
    const shield = createShield(counted, () => cloudflare)
    const x = exchangeWith({ 'cf-connecting-ip': address })
    expect([await shield.allows(x), await shield.allows(x)]).toEqual([true, false])
    expect(counted.seen).toEqual([bucket, bucket])
  })

  test('C12, C13: takes nobody else at his word: no other header makes a bucket', async () => {
    const counted = binding()
    const shield = createShield(counted, () => cloudflare)
    for (let at = 0; at < 100; at += 1) {
      const address = `198.51.100.${at}`
      const headers = { 'x-forwarded-for': address, 'x-real-ip': address, 'true-client-ip': address }
      await shield.allows(exchangeWith({ ...headers, 'cf-connecting-ip': '203.0.113.7' }))
      expect(shield.allows(exchangeWith(headers))).toBe(true)
    }
    expect(new Set(counted.seen)).toEqual(new Set(['203.0.113.7']))
  })

  test.each<[string, GatewaySettings | null, string]>([
    ['where nobody is taken at his word', { ...cloudflare, clientAddress: 'none' }, '203.0.113.7'],
    ['without a configuration', null, '203.0.113.7'],
    ['for what is no address', cloudflare, 'me'],
  ])('lets everybody pass %s', (_, settings, address) => {
    const counted = binding()
    const shield = createShield(counted, () => settings)
    const x = exchangeWith({ 'cf-connecting-ip': address })
    expect([shield.allows(x), shield.allows(x), counted.seen]).toEqual([true, true, []])
  })

  test('lets everybody pass while the binding fails', async () => {
    const broken = { limit: () => Promise.reject(new Error('no counters')) }
    const shield = createShield(broken, () => cloudflare)
    expect(await shield.allows(exchangeWith({ 'cf-connecting-ip': '203.0.113.7' }))).toBe(true)
  })
})
