import { hexOf } from '../core/hex.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import type { Random } from '../ports.ts'
import { LedgerLink, type LinkDeps } from './ledger-link.ts'

const isolateBytes = 16

/** An isolate's links to Ledgers, one for each account that it serves; the least recently used go. */
export class LedgerLinks {
  readonly #deps: LinkDeps & { readonly random: Random }
  readonly #overridden: (record: KeyRecord) => void
  readonly #max: number
  readonly #links = new Map<string, LedgerLink>()

  /** @param overridden hears of each record that overrides older ones */
  constructor(
    deps: LinkDeps & { readonly random: Random },
    overridden: (record: KeyRecord) => void,
    max = 1_000,
  ) {
    this.#deps = deps
    this.#overridden = overridden
    this.#max = max
  }

  of(account: string): LedgerLink {
    const held = this.#links.get(account)
    if (held !== undefined) {
      this.#links.delete(account)
      this.#links.set(account, held)
      return held
    }
    if (this.#links.size >= this.#max) this.#drop()
    const isolate = hexOf(this.#deps.random.bytes(isolateBytes))
    const link = new LedgerLink(account, isolate, this.#deps, this.#overridden)
    this.#links.set(account, link)
    return link
  }

  /** Drops the link that was not used for longest, of those that nobody needs. */
  #drop(): void {
    for (const [account, link] of this.#links) {
      if (link.isBusy) continue
      this.#links.delete(account)
      return
    }
  }
}
