/**
 * How a flight ended: what it fetched is stored; everyone fetches for himself; or its leader left, and another one leads.
 */
export type Landing = 'stored' | 'go' | 'again'

interface Flight {
  readonly landed: Promise<Landing>
  readonly land: (how: Landing) => void
  readonly beganMs: number
}

/** A flight that has not landed by then has lost its leader. */
const flightMsMax = 60_000
const namesMax = 2_048
/** How long it is remembered that a name's answers are not kept, so that requests for it do not wait in a row. */
const unkeptMs = 10_000

/**
 * Requests of one isolate that fetch the same thing: the first leads, the others wait for what it brings. What crosses
 * from one request to another is a word only; bodies and streams never do.
 */
export class Flights {
  readonly #flights = new Map<string, Flight>()
  readonly #unkept = new Map<string, number>()

  /** Begins a flight, or gives the one to wait for; null when waiting is no use. */
  join(name: string, nowMs: number): 'lead' | { readonly landed: Promise<Landing> } | null {
    if (this.isUnkept(name, nowMs)) return null
    const flight = this.#flights.get(name)
    if (flight !== undefined && nowMs - flight.beganMs < flightMsMax) return flight
    if (this.#flights.size >= namesMax) return null
    const { promise, resolve } = Promise.withResolvers<Landing>()
    this.#flights.set(name, { landed: promise, land: resolve, beganMs: nowMs })
    return 'lead'
  }

  /** Ends the flight of a name. A leader that cannot keep its answer says so for a while. */
  land(name: string, how: Landing, unkeptSinceMs: number | null): void {
    if (unkeptSinceMs !== null) this.#remember(name, unkeptSinceMs)
    else this.#unkept.delete(name)
    const flight = this.#flights.get(name)
    this.#flights.delete(name)
    flight?.land(how)
  }

  /** Whether answers under this name were not kept a short while ago. */
  isUnkept(name: string, nowMs: number): boolean {
    const sinceMs = this.#unkept.get(name)
    return sinceMs !== undefined && nowMs - sinceMs < unkeptMs
  }

  #remember(name: string, nowMs: number): void {
    this.#unkept.delete(name)
    this.#unkept.set(name, nowMs)
    if (this.#unkept.size <= namesMax) return
    const [oldest] = this.#unkept.keys()
    if (oldest !== undefined) this.#unkept.delete(oldest)
  }
}
