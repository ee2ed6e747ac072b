import type { GatewaySettings } from '../core/config/types.ts'
import type { RequestRecord } from '../core/record.ts'
import type { Random, Recorder } from '../ports.ts'

/** Endings and statuses whose records are always logged, whatever the sampling. */
function isNotable(record: RequestRecord): boolean {
  return record.refused !== null || record.status >= 500 || record.ending !== 'complete'
}

/**
 * Writes one JSON line per request to the Worker's log.
 * @param settings gives the share of unremarkable requests that are logged
 */
export function createRecorder(settings: () => GatewaySettings | null, random: Random): Recorder {
  return {
    record(record) {
      const sample = settings()?.logSample ?? 1
      if (sample >= 1 || isNotable(record) || random.fraction() < sample) console.log(JSON.stringify(record))
    },
    bug(requestId, error) {
      console.error(JSON.stringify({ kind: 'bug', id: requestId, ...describeBug(error) }))
    },
    misconfigured(what, problems) {
      console.error(JSON.stringify({ kind: 'misconfigured', what, problems }))
    },
  }
}

/** Name and place of an error; its message may hold what a client or an upstream sent, so it is left out. */
function describeBug(error: unknown): { readonly name: string; readonly at: readonly string[] } {
  if (!(error instanceof Error)) return { name: typeof error, at: [] }
  const frames = (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '))
  return { name: error.name, at: frames.slice(0, 8).map((line) => line.trim()) }
}
