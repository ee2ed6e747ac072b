import type { Meter } from './meter.ts'
import type { Delivery } from './delivery.ts'

/** What the pipeline answers with when it refuses nothing; becomes a Response in `respond`. */
export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly delivery: Delivery
  readonly webSocket: WebSocket | null
  readonly meter: Meter | null
  /** Whether the caller may see, and asked for, the profile of the request. */
  readonly profiled: boolean
}

/** An answer of the gateway's own, in JSON or without a body. */
export function ownAnswer(status: number, headers: Headers, value: unknown): Answer {
  const ofOurs = { webSocket: null, meter: null, profiled: false } as const
  const delivered = { ending: 'complete', bytes: 0 } as const
  if (value === null) {
    const delivery = { body: null, tier: 'none', ended: delivered } as const
    return { status, statusText: '', headers, delivery, ...ofOurs }
  }
  const bytes = new TextEncoder().encode(JSON.stringify(value))
  headers.set('content-type', 'application/json')
  headers.set('cache-control', 'no-store')
  const delivery = { body: bytes, tier: 'none', ended: { ...delivered, bytes: bytes.length } } as const
  return { status, statusText: '', headers, delivery, ...ofOurs }
}
