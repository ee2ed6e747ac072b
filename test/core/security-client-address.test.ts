import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBucket, canonicalAddress } from '../../src/core/http/client-address.ts'

/** What the URL parser makes of an IPv6 address (URL Standard §3.5), which writes as RFC 5952 does; an oracle. */
function byUrl(text: string): string | null {
  return URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1) ?? null
}

const groups = fc.array(
  fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 0xffff })),
  {
    minLength: 8,
    maxLength: 8,
  },
)

/** One address in many spellings: zeros in front, upper case, `::` at any run of zeros, the end as IPv4. */
const spelled = fc.tuple(groups, fc.infiniteStream(fc.nat(3))).map(([address, stream]) => {
  const draw = () => (stream.next() as { value: number }).value
  const pad = (group: number) => {
    const text = group.toString(16).padStart(1 + draw(), '0')
    return draw() > 1 ? text.toUpperCase() : text
  }
  const texts = address.map((group) => pad(group))
  const [high = 0, low = 0] = address.slice(6)
  if (draw() === 0) texts.splice(6, 2, [high >> 8, high & 255, low >> 8, low & 255].join('.'))
  const plain = texts.join(':')
  const zeros = address.flatMap((group, at) =>
    group === 0 && address[at + 1] === 0 && at + 1 < 6 ? [at] : [],
  )
  const at = zeros[draw() % Math.max(1, zeros.length)]
  if (at === undefined || draw() === 0) return { address, text: plain }
  return { address, text: `${texts.slice(0, at).join(':')}::${texts.slice(at + 2).join(':')}` }
})

const write = (address: readonly number[]) => address.map((group) => group.toString(16)).join(':')

const isMapped = (address: readonly number[]) =>
  address[5] === 0xffff && address.slice(0, 5).every((group) => group === 0)

describe('C13: an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', '2001:db8::/64'],
    ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1', '2001:db8::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::1', 'fe80::/64'],
    ['::', '::', '::/64'],
    ['::1', '::1', '::/64'],
    ['1::', '1::', '1::/64'],
    ['1:0:0:2::', '1:0:0:2::', '1:0:0:2::/64'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b::cb00:7107', '64:ff9b::/64'],
  ])('%s is %s, counted as %s', (text, canonical, bucket) => {
    expect([canonicalAddress(text), addressBucket(text)]).toEqual([canonical, bucket])
  })

  it.each([
    '',
    'unknown',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '0x7f.1',
    '2130706433',
    '1.2.3.4:80',
    '[::1]',
    '1.2.3.4, 5.6.7.8',
    ' 1.2.3.4',
    '1.2.3.4\r\n',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'g::1',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::1%',
    '::1%a b',
    '\u0661.2.3.4',
    `::${'0'.repeat(100)}1`,
  ])('%j is none', (text) => {
    expect([canonicalAddress(text), addressBucket(text)]).toEqual([null, null])
  })

  it('has one spelling, that of RFC 5952, whichever of its own it comes in', () => {
    fc.assert(
      fc.property(spelled, ({ address, text }) => {
        fc.pre(!isMapped(address))
        const canonical = canonicalAddress(text)
        expect(canonical).toBe(byUrl(text))
        expect(canonicalAddress(canonical ?? '')).toBe(canonical)
        expect(canonicalAddress(`${text}%eth0`)).toBe(canonical)
      }),
      { numRuns: 5_000 },
    )
  })

  it('shares its bucket with its whole /64 and with no other', () => {
    fc.assert(
      fc.property(groups, groups, (one, other) => {
        fc.pre(!isMapped(one) && !isMapped(other))
        const neighbour = [...one.slice(0, 4), ...other.slice(4)]
        fc.pre(!isMapped(neighbour))
        expect(addressBucket(write(neighbour))).toBe(addressBucket(write(one)))
        const same = write(one.slice(0, 4)) === write(other.slice(0, 4))
        expect(addressBucket(write(other)) === addressBucket(write(one))).toBe(same)
      }),
      { numRuns: 2_000 },
    )
  })

  it('of IPv4 is the same one whether it comes mapped into IPv6 or not, and counts for itself alone', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), (one, other) => {
        for (const spelling of [one, `::ffff:${one}`, `::FFFF:${one}`, `0:0::ffff:${one}`]) {
          expect([canonicalAddress(spelling), addressBucket(spelling)]).toEqual([one, one])
        }
        expect(addressBucket(one) === addressBucket(other)).toBe(one === other)
      }),
      { numRuns: 1_000 },
    )
  })

  it('that is none makes neither an error nor an address out of anything', () => {
    const near = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-fA-F:.%]{0,50}$/), fc.ipV6(), fc.ipV4())
    fc.assert(
      fc.property(near, (text) => {
        const canonical = canonicalAddress(text)
        expect(canonical === null).toBe(addressBucket(text) === null)
        if (canonical === null) return
        expect(canonical).toMatch(/^[0-9a-f:.]{2,39}$/)
        expect(canonicalAddress(canonical)).toBe(canonical)
        if (text.includes(':') && !text.includes('%') && canonical.includes(':'))
          expect(byUrl(text)).toBe(canonical)
      }),
      { numRuns: 5_000 },
    )
  })
})
