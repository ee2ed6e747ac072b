import { changesToTell } from '../../core/key/change-log.ts'
import type { AccountNews } from '../../core/key/account-news.ts'
import type { SyncReply } from '../../core/limit/messages.ts'
import type { LedgerAccount } from './account-table.ts'
import type { ReadRequest } from './read-request.ts'
import type { Tables } from './tables.ts'

/** The part of a reply that is about the account and its keys. */
export function newsFor(
  { sequence, keys }: ReadRequest,
  account: LedgerAccount,
  tables: Tables,
  nowMs: number,
): Pick<SyncReply, 'account' | 'keys'> {
  const terms = tables.news.terms()
  const news: AccountNews = {
    ...terms,
    state: account.state,
    // An isolate that knows the present sequence knows the purges too.
    purges: sequence === terms.sequence || terms.purgeEpoch === 0 ? null : tables.purges.log(),
    changed: tables.news.changed(changesToTell(sequence, terms.sequence, nowMs)),
  }
  return { account: news, keys: keys.map((id) => ({ id, record: tables.keys.find(id) })) }
}
