/** How long a change is told to isolates that know nothing of the account; KV has it long before. Milliseconds. */
export const toldForMs = 24 * 60 * 60 * 1_000

/** Records told in one message at most; beyond, an isolate asks for each key it meets. */
export const toldMax = 200

/** Which keys an isolate has to be told of. */
export type ToTell =
  | { readonly tell: 'nothing' }
  /** Those changed after the sequence. */
  | { readonly tell: 'since'; readonly sequence: number }
  /** Those changed after the time. */
  | { readonly tell: 'recent'; readonly afterMs: number }
  /** It knows more than there is to know: what it holds is of another life of the account. */
  | { readonly tell: 'everything' }

/**
 * What an isolate has to be told of changed keys.
 * @param known the account's sequence as the isolate knows it; null when it knows nothing
 * @param current the account's sequence
 */
export function changesToTell(known: number | null, current: number, nowMs: number): ToTell {
  if (known === null) return { tell: 'recent', afterMs: nowMs - toldForMs }
  if (known > current) return { tell: 'everything' }
  return known === current ? { tell: 'nothing' } : { tell: 'since', sequence: known }
}
