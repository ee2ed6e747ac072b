import type { AccountNews } from '../core/key/account-news.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import { readRecord } from '../core/key/record-life.ts'
import type { SyncReply } from '../core/limit/messages.ts'
import { readHints } from '../core/upstream/hints.ts'

/**
 * Reads what a Ledger answered, which may run another version of the gateway: absent lists are empty, and a record that
 * cannot be read is one that has to be asked for again.
 * @returns null for what is no reply
 */
export function readReply(value: SyncReply): SyncReply | null {
  const { boot, seq } = value
  if (value.v !== 1 || typeof boot !== 'string' || typeof seq !== 'number') return null
  return {
    v: 1,
    boot,
    seq,
    grants: listOf(value.grants),
    needs: listOf(value.needs),
    acknowledged: listOf(value.acknowledged),
    account: value.account === null ? null : readNews(value.account),
    keys: listOf(value.keys).map(({ id, record }) => ({
      id,
      record: record === null ? null : readRecord(record),
    })),
    hints: readHints(value.hints),
  }
}

function readNews(news: AccountNews): AccountNews {
  const { changed } = news
  return { ...news, changed: changed === null ? null : readAll(changed) }
}

function readAll(records: readonly KeyRecord[]): readonly KeyRecord[] | null {
  const read = records.map(readRecord).filter((record) => record !== null)
  return read.length === records.length ? read : null
}

function listOf<T>(list: readonly T[] | undefined): readonly T[] {
  return list ?? []
}
