import { compileConfig } from '../core/config/compile.ts'
import { parseConfig } from '../core/config/parse.ts'
import type { Snapshot } from '../core/config/snapshot.ts'
import type { ConfigProblem } from '../core/config/types.ts'
import type { Outcome } from '../core/outcome.ts'
import type { ConfigSource } from '../ports.ts'

/** A source that also says what is wrong with its document, for whoever logs it. */
export interface DocumentConfigSource extends ConfigSource {
  /** Empty when the configuration is in force. */
  readonly problems: readonly ConfigProblem[]
}

const documentLengthMax = 1_048_576

/**
 * The configuration of one document, read once. An invalid document is not replaced by another one: a gateway that
 * answers `misconfigured` is noticed, one with the wrong routes is not.
 *
 * @param bundled the document that was built into the Worker
 * @param override `env.SLUICE_CONFIG`, a document or its JSON text of at most 1 MiB; it takes the place of the bundled
 * one when it is there
 */
export function documentConfigSource(bundled: unknown, override?: unknown): DocumentConfigSource {
  const config =
    typeof override === 'string'
      ? parseText(override)
      : parseConfig(override === undefined ? bundled : override)
  if ('problems' in config) {
    const misconfigured: Outcome<Snapshot> = { refused: 'misconfigured' }
    return { problems: config.problems, snapshot: () => misconfigured }
  }
  const snapshot = compileConfig(config, 0)
  return { problems: [], snapshot: () => snapshot }
}

function parseText(text: string): ReturnType<typeof parseConfig> {
  if (text.length > documentLengthMax) {
    return problem(`at most ${documentLengthMax} characters of JSON`, `${text.length} characters`)
  }
  try {
    return parseConfig(JSON.parse(text))
  } catch {
    return problem('JSON', 'text that is none')
  }
}

function problem(expected: string, found: string): ReturnType<typeof parseConfig> {
  return { problems: [{ path: '$', expected, found }] }
}
