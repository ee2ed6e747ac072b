import type { Call, HeaderPair } from './call.ts'

export type Ending = 'complete' | 'aborted' | 'cut'

/** One request in the mock's books. `stalled` is still open: it becomes `aborted` when the client gives up. */
export interface Entry {
  readonly call: Call
  readonly generation: number
  model: string | null
  tokensSent: number
  ended: Ending | 'stalled' | 'open'
  endedAtMs: number | null
}

interface LastRequest {
  method: string
  path: string
  query: string
  headers: HeaderPair[]
  model: string | null
  tokensSent: number
  ended: Entry['ended']
  endedAtMs: number | null
}

/** The mock's truth. At any time `requests = inFlight + completed + aborted + cut`. */
export interface Stats {
  requests: number
  inFlight: number
  completed: number
  aborted: number
  cut: number
  connections: number
  perPath: Record<string, number>
  perProvider: Record<string, number>
  perKey: Record<string, number>
  last: LastRequest[]
}

export interface Ledger {
  readonly open: (call: Call, provider: string) => Entry
  readonly settle: (entry: Entry, ending: Ending) => void
  readonly connectionOpened: () => void
  readonly snapshot: () => Stats
  readonly reset: () => void
}

const LAST_MAX = 20
const NAMES_MAX = 10_000
const UNCOUNTED = -1

/** An entry for a call to the mock's own controls: it is in no book. */
export function uncountedEntry(call: Call): Entry {
  return { call, generation: UNCOUNTED, model: null, tokensSent: 0, ended: 'open', endedAtMs: null }
}

/** Keeps the counters. What was open at a reset belongs to the past and is not counted when it ends. */
export function createLedger(now: () => number): Ledger {
  let generation = 0
  let books = emptyBooks()

  function open(call: Call, provider: string): Entry {
    const entry: Entry = { call, generation, model: null, tokensSent: 0, ended: 'open', endedAtMs: null }
    books.requests += 1
    count(books.perPath, call.path)
    count(books.perProvider, provider)
    count(books.perKey, keyEnd(call))
    books.last.push(entry)
    if (books.last.length > LAST_MAX) books.last.shift()
    return entry
  }

  function settle(entry: Entry, ending: Ending): void {
    if (entry.endedAtMs !== null) return
    entry.ended = ending
    entry.endedAtMs = now()
    if (entry.generation === generation) books[ending] += 1
  }

  function snapshot(): Stats {
    const { requests, complete: completed, aborted, cut, connections } = books
    const inFlight = requests - completed - aborted - cut
    const names = {
      perPath: Object.fromEntries(books.perPath),
      perProvider: Object.fromEntries(books.perProvider),
      perKey: Object.fromEntries(books.perKey),
    }
    return {
      requests,
      inFlight,
      completed,
      aborted,
      cut,
      connections,
      ...names,
      last: books.last.map(lastRequest),
    }
  }

  return {
    open,
    settle,
    snapshot,
    connectionOpened: () => void (books.connections += 1),
    reset: () => {
      generation += 1
      books = emptyBooks()
    },
  }
}

function emptyBooks() {
  return {
    requests: 0,
    complete: 0,
    aborted: 0,
    cut: 0,
    connections: 0,
    perPath: new Map<string, number>(),
    perProvider: new Map<string, number>(),
    perKey: new Map<string, number>(),
    last: [] as Entry[],
  }
}

function count(counts: Map<string, number>, name: string): void {
  const known = counts.has(name) || counts.size < NAMES_MAX ? name : '(other)'
  counts.set(known, (counts.get(known) ?? 0) + 1)
}

/** The last four characters of the credential, whichever header carries it. */
function keyEnd(call: Call): string {
  const credential = call.header('authorization') ?? call.header('x-api-key') ?? ''
  return credential === '' ? '(none)' : credential.slice(-4)
}

function lastRequest(entry: Entry): LastRequest {
  const { call, model, tokensSent, ended, endedAtMs } = entry
  const { method, path, query } = call
  return { method, path, query, headers: call.headers(), model, tokensSent, ended, endedAtMs }
}
