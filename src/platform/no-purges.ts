import { noPurges } from '../core/cache/purge-log.ts'
import type { PurgeSource } from '../ports.ts'

/** The purges of a gateway whose accounts cannot purge. */
export const noPurgeSource: PurgeSource = { log: () => noPurges }
