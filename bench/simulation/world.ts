/** The network of the simulation: where colos and Durable Objects are, and how far they are from each other. */

/** A Cloudflare location. */
export interface Colo {
  readonly index: number
  /** Index of the hub it lies nearest to. */
  readonly hub: number
  /** How many isolates run the Worker here. */
  readonly isolates: number
  /** Share of the world's traffic that enters here. */
  readonly weight: number
  readonly place: Place
}

export interface World {
  readonly colos: readonly Colo[]
  /** Milliseconds there and back between a colo and a hub, drawn anew for each message. */
  roundTripMs(colo: Colo, hub: number): number
}

interface Place {
  readonly latitude: number
  readonly longitude: number
}

/** Where Durable Objects of the nine location hints live, and each region's share of colos and traffic (guessed). */
const hubs: readonly (Place & { readonly share: number })[] = [
  { latitude: 37.4, longitude: -122.1, share: 0.14 },
  { latitude: 39, longitude: -77.5, share: 0.2 },
  { latitude: -23.5, longitude: -46.6, share: 0.1 },
  { latitude: 50.1, longitude: 8.7, share: 0.2 },
  { latitude: 52.2, longitude: 21, share: 0.1 },
  { latitude: 1.35, longitude: 103.8, share: 0.14 },
  { latitude: -33.9, longitude: 151.2, share: 0.04 },
  { latitude: -26.2, longitude: 28, share: 0.04 },
  { latitude: 25.2, longitude: 55.3, share: 0.04 },
]

const coloCount = 300
/** How unevenly the world's traffic is spread over colos: the busiest takes 6 %, the idlest 0.07 % of it (guessed). */
const coloZipf = 0.8
const spreadDegrees = 9
const roundTrip = { fixedMs: 2, msPer100Km: 1.35, leastMs: 3, mostMs: 220, jitterMs: 1 }
const tail = { share: 0.005, leastMs: 50, mostMs: 300 }

/** 300 colos around nine hubs, with 1 to 4 isolates by their traffic. */
export function makeWorld(random: () => number): World {
  const weights = Array.from({ length: coloCount }, (_, rank) => (rank + 1) ** -coloZipf)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const colos = weights.map((weight, index): Colo => {
    const hub = drawShare(hubs, random())
    const { latitude, longitude } = hubs[hub] ?? { latitude: 0, longitude: 0 }
    const place = {
      latitude: latitude + spreadDegrees * normal(random),
      longitude: longitude + spreadDegrees * normal(random),
    }
    const relative = (weight / total) * coloCount
    return { index, hub, isolates: isolatesFor(relative), weight: weight / total, place }
  })
  return {
    colos,
    roundTripMs(colo, hub) {
      const to = hubs[hub]
      const km = to === undefined ? 0 : kilometres(colo.place, to)
      const { fixedMs, msPer100Km, leastMs, mostMs, jitterMs } = roundTrip
      const base = Math.min(mostMs, Math.max(leastMs, fixedMs + (msPer100Km * km) / 100))
      const late = random() < tail.share ? tail.leastMs + random() * (tail.mostMs - tail.leastMs) : 0
      return base + exponential(random, jitterMs) + late
    },
  }
}

/** An exponentially distributed time. */
export function exponential(random: () => number, mean: number): number {
  return -Math.log(1 - random()) * mean
}

/** An index, drawn by the shares. */
export function drawShare(items: readonly { readonly share: number }[], fraction: number): number {
  let left = fraction * items.reduce((sum, { share }) => sum + share, 0)
  for (const [index, { share }] of items.entries()) {
    left -= share
    if (left < 0) return index
  }
  return items.length - 1
}

function isolatesFor(relativeTraffic: number): number {
  if (relativeTraffic < 0.8) return 1
  if (relativeTraffic < 1.6) return 2
  return relativeTraffic < 3.2 ? 3 : 4
}

/** Standard normal (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Great-circle distance (haversine). */
function kilometres(a: Place, b: Place): number {
  const radians = Math.PI / 180
  const sinLatitude = Math.sin(((b.latitude - a.latitude) * radians) / 2)
  const sinLongitude = Math.sin(((b.longitude - a.longitude) * radians) / 2)
  const cosines = Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians)
  return 12_742 * Math.asin(Math.min(1, Math.sqrt(sinLatitude ** 2 + cosines * sinLongitude ** 2)))
}
