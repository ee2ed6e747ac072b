import type { GatewaySettings } from '../core/config/types.ts'
import { addressBucket } from '../core/http/client-address.ts'
import type { Exchange, Shield } from '../ports.ts'

/** Cloudflare's rate-limit binding, as far as it is used. */
export type RateLimitBinding = Pick<RateLimit, 'limit'>

/** Lets everybody pass. */
export const noShield: Shield = { allows: () => true }

/**
 * Counts requests by the address of their client, an IPv6 address by its /64, at the location that serves them. Nobody's
 * word on the address is taken that the settings do not name; a request without an address passes, and so does every
 * request while the binding fails.
 * @param settings of the configuration in force; null without one
 */
export function createShield(binding: RateLimitBinding, settings: () => GatewaySettings | null): Shield {
  return {
    allows(x) {
      const bucket = bucketOf(x, settings())
      return bucket === null ? true : ask(binding, bucket)
    },
  }
}

function bucketOf({ request }: Exchange, settings: GatewaySettings | null): string | null {
  if (settings?.clientAddress !== 'cloudflare') return null
  return addressBucket(request.headers.get('cf-connecting-ip') ?? '')
}

async function ask(binding: RateLimitBinding, key: string): Promise<boolean> {
  try {
    const { success } = await binding.limit({ key })
    return success
  } catch {
    return true
  }
}
