/** `npm run figures -- AREA [--quick] [--report FILE]`: measures an area and prints its figures. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { currentBundle } from '../rig/bundle.ts'
import { cacheArea } from './areas/cache.ts'
import { hostileArea } from './areas/hostile.ts'
import { limitsArea } from './areas/limits.ts'
import { llmArea } from './areas/llm.ts'
import { pipelineArea, type AreaOptions } from './areas/pipeline.ts'
import { upstreamsArea } from './areas/upstreams.ts'
import { quietOrDoubts, readPressure } from './guard.ts'
import { describeMachine } from './machine.ts'
import { figureLine, type Figure, type Findings, type RunReport } from './report.ts'

const areas: Readonly<Record<string, (findings: Findings, options: AreaOptions) => Promise<void>>> = {
  cache: cacheArea,
  hostile: hostileArea,
  limits: limitsArea,
  llm: llmArea,
  pipeline: pipelineArea,
  upstreams: upstreamsArea,
}
const quietWaitMs = 15_000
const seed = 20_261_123

class UsageError extends Error {}

interface Command {
  readonly area: string
  readonly quick: boolean
  /** File to write the report to. */
  readonly report: string | null
}

function readCommand(argv: readonly string[]): Command {
  const known = `areas: ${Object.keys(areas).join(', ')}`
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, report: { type: 'string' } },
    })
    const [area = '', ...rest] = positionals
    if (!Object.hasOwn(areas, area) || rest.length > 0) {
      throw new UsageError(
        `npm run figures -- AREA [--quick] [--report FILE] takes one area, not "${positionals.join(' ')}"; ${known}.`,
      )
    }
    return { area, quick: values.quick, report: values.report ?? null }
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${(error as Error).message} (${known})`)
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function measure({ area, quick }: Command): Promise<RunReport> {
  const startedAt = new Date().toISOString()
  const command = `npm run figures -- ${area}${quick ? ' --quick' : ''}`
  const machine = describeMachine()
  const bundle = await currentBundle()
  print(`# ${command}`)
  print(`# machine: ${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}`)
  print(`# versions: ${machine.workerd}, node ${machine.node}, bundle sha256 ${bundle.sha256}, seed ${seed}`)
  const doubts = [...(await quietOrDoubts(quick ? 0 : quietWaitMs))]
  if (quick) doubts.push('a quick run measures too little')
  print(`# pressure at the start: ${JSON.stringify(readPressure())}`)
  const figures: Figure[] = []
  const remarks: string[] = []
  const findings: Findings = {
    figure(name, value, unit) {
      const figure = typeof value === 'number' ? { name, value, unit } : { name, ...value, unit }
      figures.push(figure)
      print(figureLine(figure))
    },
    remark(text) {
      remarks.push(text)
      print(`# ${text}`)
    },
    doubt: (text) => void doubts.push(text),
  }
  await areas[area]?.(findings, { quick, seed })
  if ((await currentBundle()).sha256 !== bundle.sha256) doubts.push('the sources changed during the run')
  print(doubts.length === 0 ? '# verdict: conclusive' : `# verdict: INCONCLUSIVE, ${doubts.join('; ')}`)
  const { sha256, bytes, gzipBytes } = bundle
  return {
    schema: 1,
    area,
    command,
    startedAt,
    machine,
    bundle: { sha256, bytes, gzipBytes },
    figures,
    remarks,
    doubts,
  }
}

// Leaving by `exit` stops the servers; dying of the signal would not.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'])
  process.once(signal, () => process.exit(1))

try {
  const command = readCommand(process.argv.slice(2))
  const report = await measure(command)
  if (command.report !== null) writeFileSync(command.report, `${JSON.stringify(report, null, 2)}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof UsageError ? error.message : String((error as Error).stack)}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
