import type { Operation, Scope } from '../../src/ports.ts'

/** A request's scope that remembers what was noted. */
export class CountingScope implements Scope {
  readonly counts: Record<Operation, number> = {
    kv: 0,
    ledger: 0,
    registry: 0,
    upstream: 0,
    queue: 0,
    backoff: 0,
    cache: 0,
  }
  readonly waits: [Operation, number][] = []
  readonly deferred: Promise<unknown>[] = []

  defer(work: Promise<unknown>): void {
    this.deferred.push(work)
  }

  count(operation: Operation): void {
    this.counts[operation] += 1
  }

  waited(operation: Operation, ms: number): void {
    this.waits.push([operation, ms])
  }
}
