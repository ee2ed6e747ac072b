import { noPurges } from '../core/cache/purge-log.ts'
import type { PurgeSource } from '../ports.ts'
import type { LedgerLinks } from './ledger-links.ts'

/**
 * Purges as the Ledgers told of them with the lease of an account, which a request with a key has at hand; so one is
 * known within 5 s while the Ledger answers. What is everyone's has no Ledger, and no purges.
 */
export function createPurgeSource(links: LedgerLinks): PurgeSource {
  return { log: (account) => (account === null ? noPurges : links.of(account).lease.purges) }
}
