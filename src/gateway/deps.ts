import type { TokenEstimator } from '../core/llm/estimate.ts'
import type { Pools } from '../core/upstream/pool.ts'
import type {
  Clock,
  ConfigSource,
  KeySource,
  Limiter,
  Random,
  Readiness,
  Recorder,
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
  readonly recorder: Recorder
  readonly readiness: Readiness
  readonly clock: Clock
  readonly random: Random
}
