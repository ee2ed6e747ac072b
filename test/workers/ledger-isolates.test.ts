import { abortAllDurableObjects } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { PermitHolder, type Answered } from '../../src/core/limit/permit-holder.ts'
import { keyCounter, type AppliedLimit } from '../../src/core/limit/spec.ts'
import { bucketExcess, type Admit } from '../../bench/simulation/judge.ts'
import { issued, limit } from './support/sync-messages.ts'

const spec = limit({ max: 3_000, periodMs: 60_000, burst: 200 })
const perMs = spec.max / 60_000
const applied: readonly AppliedLimit[] = [{ counter: keyCounter('k1', spec.name), spec, level: 'key' }]
const runMs = 6_000
const askEveryMs = 9

/** One isolate that asks again and again, over the real Ledger. */
class AskingIsolate {
  readonly admits: Admit[] = []
  readonly #holder: PermitHolder
  readonly #account: string
  #asked = 0

  constructor(account: string, name: string) {
    this.#account = account
    this.#holder = new PermitHolder(name)
  }

  async run(untilMs: number): Promise<void> {
    const calls: Promise<void>[] = []
    while (Date.now() < untilMs) {
      this.#ask()
      if (this.#due()) calls.push(this.#call())
      await scheduler.wait(askEveryMs * 4)
    }
    await Promise.all(calls)
  }

  #ask(): void {
    this.#asked += 1
    const nowMs = Date.now()
    const { kind } = this.#holder.take(applied, [1], nowMs)
    if (kind === 'taken') this.admits.push({ atMs: nowMs, cost: 1 })
    if (kind !== 'ask') return
    const id = `${this.#account}-${this.#asked}`
    this.#holder.ask({ id, applied, costs: [1], key: null, reservation: null }, nowMs)
  }

  #due(): boolean {
    return !this.#holder.underWay && (this.#holder.waiting > 0 || this.#holder.refillDue(Date.now()))
  }

  async #call(): Promise<void> {
    const message = this.#holder.message(Date.now(), { sequence: null, keys: [] })
    try {
      const reply = await env.LEDGER.getByName(`ledger:${this.#account}:1`).sync(message)
      this.#take(this.#holder.apply(reply, Date.now()))
    } catch {
      this.#take(this.#holder.failed(Date.now()))
    }
  }

  #take(answers: readonly Answered[]): void {
    const atMs = Date.now()
    for (const { outcome } of answers) if (outcome.kind === 'taken') this.admits.push({ atMs, cost: 1 })
  }
}

test('four isolates and a Ledger that dies twice admit no more than the limit in any interval, and not much less', async () => {
  const account = 'fourfold00'
  const ledger = env.LEDGER.getByName(`ledger:${account}:1`)
  await ledger.open({ id: account, region: 'weur', generation: 1 })
  await ledger.createKey(issued('k1', { limits: [spec] }))
  const isolates = [1, 2, 3, 4].map((at) => new AskingIsolate(account, `isolate-${at}`))
  const untilMs = Date.now() + runMs
  const kills = [1_700, 3_600].map(async (afterMs) => {
    await scheduler.wait(afterMs)
    await abortAllDurableObjects()
  })
  await Promise.all([...kills, ...isolates.map((isolate) => isolate.run(untilMs))])
  const admits = isolates.flatMap((isolate) => isolate.admits).toSorted((a, b) => a.atMs - b.atMs)
  expect(bucketExcess(admits, { burst: spec.burst ?? 0, perMs })).toBeLessThanOrEqual(0)
  const ideal = (spec.burst ?? 0) + perMs * runMs
  expect(admits.length).toBeGreaterThan(ideal * 0.6)
}, 30_000)
