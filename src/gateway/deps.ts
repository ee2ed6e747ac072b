import type { TokenEstimator } from '../core/llm/estimate.ts'
import type { Pools } from '../core/upstream/pools.ts'
import type {
  Clock,
  ConfigSource,
  Digest,
  KeySource,
  Limiter,
  PurgeSource,
  Random,
  Readiness,
  Recorder,
  ResponseCache,
  Upstreams,
  UsageReader,
} from '../ports.ts'

/** Everything the data plane needs from outside. */
export interface Deps {
  readonly config: ConfigSource
  readonly keys: KeySource
  readonly limiter: Limiter
  readonly usage: UsageReader
  readonly estimator: TokenEstimator
  readonly upstreams: Upstreams
  readonly pools: Pools
  readonly cache: ResponseCache
  readonly purges: PurgeSource
  readonly recorder: Recorder
  readonly readiness: Readiness
  readonly digest: Digest
  readonly clock: Clock
  readonly random: Random
}
