import type { Region } from '../core/key/account.ts'
import { ledgerName } from '../core/storage-layout.ts'
import type { Ledger } from '../durable/ledger/ledger.ts'

/**
 * A stub of an account's Ledger, for one request: a stub may be broken after an error and is never kept.
 * @param region where to make the object; read by the platform only the first time an object is asked for
 */
export function ledgerStub(
  namespace: DurableObjectNamespace<Ledger>,
  account: string,
  generation: number,
  region?: Region,
): DurableObjectStub<Ledger> {
  const name = ledgerName(account, generation)
  return namespace.getByName(name, region === undefined ? {} : { locationHint: region })
}
