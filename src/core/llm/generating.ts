/** Where tokens are counted, files kept and batches queued; what a batch runs is run later, and unseen. */
const idlePath =
  /\/(count_tokens|input_tokens|files|uploads|batches|vector_stores|containers|conversations)(\/|$)/

/**
 * Whether a request with a body makes a model run while its client waits.
 * @param path the one the upstream is asked for
 */
export function makesModelRun(method: string, path: string): boolean {
  return method === 'POST' && !idlePath.test(path)
}

const textlessPath = /\/(embeddings|moderations|rerank)$/

/** Whether a model that runs there puts out numbers, of which no token is charged. */
export function putsOutNoText(path: string): boolean {
  return textlessPath.test(path)
}
