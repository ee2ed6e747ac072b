/**
 * Every name under which the gateway keeps something outside an isolate, and how long copies of it may be used.
 *
 * | where | name | holds |
 * |---|---|---|
 * | KV `KEYS` | `key:{account}:{id}` | a key's record as JSON, its version inside; written by the account's Ledger only |
 * | Durable Object `LEDGER` | `ledger:{account}:{generation}` | an account's keys, permits and usage; the truth about them |
 * | Durable Object `REGISTRY` | `registry` | the list of accounts, the configuration versions seen, targets checked without traffic |
 */

/** Generation of a new account's Ledger. Keys do not name a generation: the first Ledger knows where a later one is. */
export const firstGeneration = 1

/** The one Registry. */
export const registryName = 'registry'

/** Seconds for which a Cloudflare location may answer a read of a key's record from its copy; KV's minimum. */
export const keyRecordCacheSeconds = 30

/** KV name of a key's record. */
export function keyRecordName(account: string, id: string): string {
  return `key:${account}:${id}`
}

/** Durable Object name of an account's Ledger. */
export function ledgerName(account: string, generation: number): string {
  return `ledger:${account}:${generation}`
}
