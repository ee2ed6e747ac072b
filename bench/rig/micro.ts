import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { capnpConfig } from './capnp.ts'
import { projectFolder } from './bundle.ts'
import { outbound, workerOf } from './plain-worker.ts'
import { workerModule } from './worker-module.ts'
import { configName, workerdPath, writeConfigFolder } from './workerd-process.ts'
import { readWorkerSettings } from './wrangler-settings.ts'

/** One case of a benchmark, in nanoseconds per call; `low` and `high` are workerd's 95 % interval of the median. */
export interface MicroCase {
  readonly name: string
  readonly wallNs: number
  readonly lowNs: number
  readonly highNs: number
  readonly cpuNs: number
  /** workerd's own remarks: `highVariance`, `atFloor`. */
  readonly flags: readonly string[]
}

export interface MicroOptions {
  /** Glob over the names of the cases. */
  readonly cases?: string
  /** Short time budgets: shows that the benchmark runs, measures little. */
  readonly quick?: boolean
}

interface Spread {
  readonly median: number
  readonly medianLow: number
  readonly medianHigh: number
}

interface BenchReport {
  readonly groups: readonly {
    readonly cases: readonly {
      readonly name: string
      readonly status: string
      readonly wallNs?: Spread
      readonly cpuNs?: Spread
      readonly flags?: readonly string[]
    }[]
  }[]
}

const moduleName = 'bench.js'
/** workerd sets no limit of its own, and a case that calls `b` after it returned never ends. */
const runMsMax = 120_000
const outputBytesMax = 64 * 1024 * 1024

/**
 * Runs a benchmark module in `workerd bench` under the project's compatibility settings.
 * @param source URL of a TypeScript module whose default export has a `bench(b, env, ctx)`
 * @throws {Error} when it does not build, workerd fails, or a case does
 */
export async function runMicro(
  source: URL,
  { cases, quick = false }: MicroOptions = {},
): Promise<MicroCase[]> {
  const settings = readWorkerSettings(`${projectFolder}wrangler.toml`)
  const services = [{ name: 'bench', worker: workerOf(settings, moduleName) }, outbound]
  const folder = writeConfigFolder({
    config: () => capnpConfig({ services }),
    files: { [moduleName]: { text: await workerModule(source) } },
  })
  try {
    const args = ['bench', join(folder, configName), ...(cases === undefined ? [] : [`bench/${cases}`])]
    const { stdout } = await promisify(execFile)(
      workerdPath(),
      [...args, '--format=json', ...(quick ? ['--quick'] : [])],
      { maxBuffer: outputBytesMax, timeout: runMsMax },
    )
    return parseReport(stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Reads what `workerd bench --format=json` prints. */
export function parseReport(json: string): MicroCase[] {
  const { groups } = JSON.parse(json) as BenchReport
  return groups.flatMap((group) =>
    group.cases.map(({ name, status, wallNs, cpuNs, flags = [] }) => {
      if (status !== 'ok' || wallNs === undefined || cpuNs === undefined) {
        throw new Error(`The case ${name} ended with ${status}.`)
      }
      const { median, medianLow: lowNs, medianHigh: highNs } = wallNs
      return { name, wallNs: median, lowNs, highNs, cpuNs: cpuNs.median, flags }
    }),
  )
}
