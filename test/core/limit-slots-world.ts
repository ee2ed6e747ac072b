import { randomFrom } from '../../bench/node/stats.ts'
import { SlotBook } from '../../src/core/limit/slots-book.ts'
import { SlotLessee } from '../../src/core/limit/slots-lessee.ts'
import type { SlotUser } from '../../src/core/limit/slots-users.ts'
import type { CounterGrant, Holding } from '../../src/core/limit/messages.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'

/** Numbers that look random and are the same for the same seed. */
export function randomOf(seed: number): () => number {
  return randomFrom(seed * 2_654_435_761 + 1)
}

export const slotSpec = (max: number, onFailure: LimitSpec['onFailure'] = 'closed'): LimitSpec => ({
  name: 'streams',
  kind: 'concurrent-streams',
  max,
  periodMs: null,
  burst: null,
  calendar: null,
  durability: 'default',
  onFailure,
  reserve: 'auto',
})

/** Ways in which the protocol could be wrong, each of which the oracle has to find. */
export type SlotMutant =
  | 'freed twice'
  | 'lease counted from the reply'
  | 'restart forgets'
  | 'row is never renewed'
  | 'old messages are heard'
  | 'leases outlast what is held'
  | 'replies to older messages are taken'
  | 'loss is not told'

export interface SlotWorld {
  readonly seed: number
  readonly max: number
  readonly isolates: number
  readonly horizonMs: number
  /** Probability that a message or a reply is lost, and that a message comes again. */
  readonly lossy: number
  readonly faults: boolean
  /** What goes wrong beside messages: all of it, lines that are cut for a minute, or restarts of the Ledger. */
  readonly trouble: 'mixed' | 'cuts' | 'restarts'
  /** Mean milliseconds between such faults. */
  readonly troubleMs: number
  /** Share of messages that take up to 2 s, and of replies that take up to 900 ms. */
  readonly slow: number
  /** Mean milliseconds between arrivals of requests at one isolate. */
  readonly arrivalMs: number
  readonly mutant?: SlotMutant
}

export interface SlotRun {
  /** When slots were in use, by the true time. */
  readonly uses: readonly { readonly fromMs: number; readonly toMs: number }[]
  readonly denied: number
  readonly lost: number
  readonly messages: number
  readonly rows: number
  readonly requests: number
  /** Slots that the Ledger can grant 62 s after everything has ended. */
  readonly leftAtEnd: number
}

interface Message {
  readonly isolate: Isolate
  readonly seq: number
  readonly boot: string | null
  readonly holding: Holding
  readonly needs: number
}

interface Reply {
  readonly seq: number
  readonly boot: string
  readonly granted: number
  readonly grant: CounterGrant | null
}

interface Isolate {
  readonly id: string
  readonly lessee: SlotLessee
  readonly rate: number
  readonly offsetMs: number
  alive: boolean
  cutUntilMs: number
  seq: number
  boot: string | null
  sentAtMs: number
  /** A message is answered by then, or never. */
  underWayUntilMs: number
  /** Requests that wait for an answer, a second at most. */
  readonly waiting: Set<object>
  asked: readonly object[]
  freed: number
  wakeAt: number
  readonly ends: Set<() => void>
}

/** Runs isolates and a Ledger against each other and says when which slots were in use. */
export function runSlots(world: SlotWorld): SlotRun {
  const random = randomOf(world.seed)
  const { mutant } = world
  const spec = slotSpec(world.max)
  /** What is to happen, the latest first. */
  const queue: { readonly atMs: number; readonly act: () => void }[] = []
  const uses: { fromMs: number; toMs: number }[] = []
  const isolates: Isolate[] = []
  let nowMs = 0
  let denied = 0
  let lost = 0
  let messages = 0
  let rows = 0
  let requests = 0
  let boots = 0
  let skewMs = 0
  let row: string | null = null
  let replayed = 0
  let book = new SlotBook(spec, null, { boot: 'boot-0', nowMs: 1_000_000 })

  const at = (ms: number, act: () => void) => {
    let low = 0
    let high = queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((queue[middle]?.atMs ?? 0) > ms) low = middle + 1
      else high = middle
    }
    queue.splice(low, 0, { atMs: ms, act })
  }
  const between = (low: number, high: number) => low + random() * (high - low)
  const exponential = (mean: number) => -Math.log(1 - random()) * mean
  const often = (share: number) => random() < share
  const ledgerMs = () => 1_000_000 + nowMs + skewMs
  const localMs = (isolate: Isolate) => 1_000_000 + nowMs * isolate.rate + isolate.offsetMs
  /** A clock that stands still while a request is worked on. */
  const staleMs = (isolate: Isolate) => localMs(isolate) - (world.faults ? between(0, 20) : 0)
  const delayMs = (mostMs: number) => (often(world.slow) ? between(100, mostMs) : between(1, 80))

  const restart = (clean: boolean) => {
    if (clean) {
      book.advance(ledgerMs())
      const resting = book.restingRow()
      row = resting ?? row
    }
    boots += 1
    if (world.faults) skewMs = between(-400, 400)
    const stored = mutant === 'restart forgets' ? null : row
    book = new SlotBook(spec, stored, { boot: `boot-${boots}`, nowMs: ledgerMs() })
  }

  const serve = (message: Message): Reply | null => {
    messages += 1
    book.advance(ledgerMs())
    replayed += 1
    const heard = book.hear({
      isolate: message.isolate.id,
      seq: mutant === 'old messages are heard' ? replayed + 1_000_000 : message.seq,
      ackedSeq: 0,
      boot: message.boot,
      holding: message.holding,
    })
    if (heard === null) return null
    let granted = 0
    for (let need = 0; need < message.needs && book.left() >= 1; need += 1) {
      book.take(1, 1000, message.isolate.id)
      granted += 1
    }
    const leased = book.lease(message.isolate.id)
    const grant: CounterGrant = {
      counter: 'c',
      spec,
      permits: leased.permits,
      ttlMs: leased.ttlMs + (mutant === 'leases outlast what is held' ? 2000 : 0),
      keep: heard.keep,
      left: book.left(),
      resetMs: 0,
      denyMs: 0,
      coastPerSecond: book.coastPerSecond(message.isolate.id),
    }
    const stored = book.row()
    if (stored !== null) {
      rows += 1
      if (row === null || mutant !== 'row is never renewed') row = stored
    }
    return { seq: message.seq, boot: `boot-${boots}`, granted, grant }
  }

  const begin = (isolate: Isolate) => {
    const { lessee } = isolate
    let user: SlotUser | null = null
    const use = { fromMs: nowMs, toMs: Infinity }
    uses.push(use)
    const end = () => {
      if (use.toMs !== Infinity) return
      use.toMs = nowMs
      isolate.ends.delete(end)
      if (!isolate.alive || user === null) return
      isolate.freed += 1
      lessee.free(user, staleMs(isolate))
      wake(isolate)
    }
    isolate.ends.add(end)
    user = lessee.hold(() => {
      lost += 1
      if (mutant !== 'loss is not told') end()
    })
    at(nowMs + (often(world.trouble === 'cuts' ? 0.8 : 0.2) ? exponential(90_000) : exponential(2000)), end)
  }

  const send = (isolate: Isolate) => {
    if (isolate.underWayUntilMs > nowMs && !often(0.1)) return
    const local = staleMs(isolate)
    isolate.seq += 1
    isolate.sentAtMs = local
    isolate.underWayUntilMs = nowMs + 1000
    at(isolate.underWayUntilMs, () => wake(isolate))
    isolate.asked = [...isolate.waiting]
    const told = isolate.lessee.holding(local)
    const double = mutant === 'freed twice' ? Math.min(isolate.freed, told.inUse) : 0
    isolate.freed = 0
    const holding = { ...told, inUse: told.inUse - double }
    const message: Message = {
      isolate,
      seq: isolate.seq,
      boot: isolate.boot,
      holding,
      needs: isolate.asked.length,
    }
    const lose = () => often(world.lossy) || nowMs < isolate.cutUntilMs
    const deliver = (again: boolean) => {
      const reply = serve(message)
      if (reply === null || again || lose()) return
      at(nowMs + delayMs(900), () => take(isolate, reply))
    }
    if (!lose()) at(nowMs + delayMs(2000), () => deliver(false))
    if (often(world.lossy)) at(nowMs + between(1, 3000), () => deliver(true))
  }

  const take = (isolate: Isolate, reply: Reply) => {
    if (!isolate.alive) return
    const local = staleMs(isolate)
    const older = mutant === 'replies to older messages are taken'
    if ((reply.seq !== isolate.seq || local - isolate.sentAtMs > 1000) && !older) return
    isolate.boot = reply.boot
    const sentAtMs = mutant === 'lease counted from the reply' ? local : isolate.sentAtMs
    if (reply.grant !== null) isolate.lessee.apply(reply.grant, sentAtMs, local)
    for (const [need, request] of isolate.asked.entries()) {
      const waits = isolate.waiting.delete(request)
      if (need >= reply.granted) denied += waits ? 1 : 0
      else if (waits) {
        isolate.lessee.granted(1, local)
        begin(isolate)
      } else isolate.lessee.unwanted(1, local)
    }
    isolate.underWayUntilMs = nowMs
    wake(isolate)
  }

  const wake = (isolate: Isolate) => {
    if (!isolate.alive) return
    const local = localMs(isolate)
    isolate.lessee.expire(local)
    if (isolate.lessee.due(local) || isolate.waiting.size > 0) send(isolate)
    const next = isolate.lessee.wakeMs(local)
    if (next === null) return
    const atMs = Math.max(nowMs + (next - local) / isolate.rate, nowMs + 1)
    isolate.wakeAt = atMs
    at(atMs, () => {
      if (isolate.wakeAt === atMs) wake(isolate)
    })
  }

  const arrive = (isolate: Isolate) => {
    if (!isolate.alive) return
    at(nowMs + exponential(world.arrivalMs), () => arrive(isolate))
    if (nowMs > world.horizonMs) return
    requests += 1
    const local = staleMs(isolate)
    const found = isolate.lessee.check(1, local)
    if (found === 0) {
      isolate.lessee.take(1, local)
      begin(isolate)
      wake(isolate)
    } else if (found > 0) denied += 1
    else {
      const request = {}
      isolate.waiting.add(request)
      at(nowMs + 1000, () => isolate.waiting.delete(request))
      isolate.lessee.asked(1, local)
      send(isolate)
    }
  }

  const spawn = () => {
    const isolate: Isolate = {
      id: `isolate-${isolates.length}`,
      lessee: new SlotLessee('c', spec, 0),
      rate: world.faults ? 1 + between(-2e-4, 2e-4) : 1,
      offsetMs: world.faults ? between(-5000, 5000) : 0,
      alive: true,
      cutUntilMs: 0,
      seq: 0,
      boot: null,
      sentAtMs: 0,
      underWayUntilMs: 0,
      waiting: new Set(),
      asked: [],
      freed: 0,
      wakeAt: 0,
      ends: new Set(),
    }
    isolates.push(isolate)
    at(nowMs + exponential(world.arrivalMs), () => arrive(isolate))
  }

  const trouble = () => {
    at(nowMs + exponential(world.troubleMs), trouble)
    if (nowMs > world.horizonMs) return
    const isolate = isolates[Math.floor(random() * isolates.length)]
    const kind = { mixed: Math.floor(random() * 5), cuts: 3, restarts: Math.floor(random() * 2) }[
      world.trouble
    ]
    if (kind === 0) restart(false)
    else if (kind === 1) restart(true)
    else if (isolate?.alive === true && kind === 2) {
      isolate.alive = false
      for (const end of isolate.ends) end()
      spawn()
    } else if (isolate !== undefined) isolate.cutUntilMs = nowMs + between(0, 130_000)
  }

  for (let each = 0; each < world.isolates; each += 1) spawn()
  if (world.faults) at(exponential(world.troubleMs), trouble)
  const lastMs = world.horizonMs + 900_000
  for (let event = queue.pop(); event !== undefined && event.atMs <= lastMs; event = queue.pop()) {
    nowMs = Math.max(nowMs, event.atMs)
    event.act()
    if (nowMs > world.horizonMs && isolates.every(({ ends }) => ends.size === 0)) break
  }
  nowMs += 62_000
  book.advance(ledgerMs())
  return { uses, denied, lost, messages, rows, requests, leftAtEnd: book.left() }
}

/** The most slots in use at the same time, by a sweep over beginnings and ends. */
export function mostAtOnce(uses: SlotRun['uses']): number {
  const steps = uses.flatMap(({ fromMs, toMs }) => [
    { ms: fromMs, step: 1 },
    { ms: toMs, step: -1 },
  ])
  let now = 0
  let most = 0
  for (const { step } of steps.toSorted((a, b) => a.ms - b.ms || a.step - b.step)) {
    now += step
    most = Math.max(most, now)
  }
  return most
}
