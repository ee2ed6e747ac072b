/** Why an operation on accounts and keys was not done. Expected, therefore a value. */
export type AdminRefusal =
  | { readonly refused: 'account_unknown' }
  | { readonly refused: 'account_deleted' }
  | { readonly refused: 'key_unknown' }
  | { readonly refused: 'key_revoked' }
  /** The id is taken; a new one has to be drawn. */
  | { readonly refused: 'id_taken' }
  | { readonly refused: 'keys_not_configured' }
  /** Registry or Ledger did not answer; what was asked for may have happened. */
  | { readonly refused: 'accounts_unavailable'; readonly retryAfterMs: number }

/** What was asked for, or why it was not done. */
export type AdminOutcome<T> = T | AdminRefusal

/** True when an outcome is a refusal; domain values never carry a property named `refused`. */
export function isAdminRefusal<T extends object>(outcome: AdminOutcome<T>): outcome is AdminRefusal {
  return 'refused' in outcome
}
