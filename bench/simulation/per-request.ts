import { bucketOf, type Isolate, type Limiting, type Surroundings } from './simulate.ts'

/** How long a Durable Object takes for a call; calls of one object wait for each other. */
export const serviceMs = 0.5

/** The design to compare with: every request asks a Durable Object, which keeps an exact bucket and writes each admission. */
export class PerRequest implements Limiting {
  calls = 0
  writes = 0
  readonly #surroundings: Surroundings
  readonly #buckets: { level: number; lastMs: number; freeMs: number }[]

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#buckets = surroundings.keys.map(({ spec }) => ({
      level: bucketOf(spec).burst,
      lastMs: 0,
      freeMs: 0,
    }))
  }

  forget(): void {}

  ask(isolate: Isolate, key: number, decided: (admitted: boolean) => void): void {
    const { queue, world, keys } = this.#surroundings
    const traffic = keys[key]
    const bucket = this.#buckets[key]
    if (traffic === undefined || bucket === undefined) return
    const halfMs = world.roundTripMs(isolate.colo, traffic.hub) / 2
    this.calls += 1
    queue.at(queue.nowMs + halfMs, () => {
      bucket.freeMs = Math.max(bucket.freeMs, queue.nowMs) + serviceMs
      queue.at(bucket.freeMs, () => {
        const { burst, perMs } = bucketOf(traffic.spec)
        bucket.level = Math.min(burst, bucket.level + perMs * (queue.nowMs - bucket.lastMs))
        bucket.lastMs = queue.nowMs
        const admitted = bucket.level >= 1
        if (admitted) {
          bucket.level -= 1
          this.writes += 1
        }
        queue.at(queue.nowMs + halfMs, () => decided(admitted))
      })
    })
  }
}
