import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'

/** How busy the machine is, apart from us: read before a measurement, for the measurement itself raises it. */
export interface Pressure {
  /** Share of the last 10 s in which some task waited for a processor, in percent; null where the kernel does not say. */
  readonly cpuSomeAvg10: number | null
  /** Load average of the last minute over the number of processors. */
  readonly loadPerCpu: number
}

/** Why figures taken now would not count; empty on a quiet machine. */
export type Doubts = readonly string[]

const cpuSomeMax = 10
const loadPerCpuMax = 0.9

export function readPressure(): Pressure {
  return { cpuSomeAvg10: someAvg10(pressureText()), loadPerCpu: (loadavg()[0] ?? 0) / cpus().length }
}

/** `some avg10=` of a /proc/pressure file. */
export function someAvg10(text: string): number | null {
  const found = /^some avg10=([\d.]+)/m.exec(text)?.[1]
  return found === undefined ? null : Number(found)
}

function pressureText(): string {
  try {
    return readFileSync('/proc/pressure/cpu', 'utf8')
  } catch {
    return ''
  }
}

/** Judges a reading: the stall information where there is any, else the slower load average. */
export function doubtsAbout({ cpuSomeAvg10, loadPerCpu }: Pressure): Doubts {
  if (cpuSomeAvg10 !== null) {
    return cpuSomeAvg10 > cpuSomeMax ? [`others wait for a processor ${cpuSomeAvg10} % of the time`] : []
  }
  return loadPerCpu > loadPerCpuMax ? [`the load average is ${loadPerCpu.toFixed(2)} a processor`] : []
}

/** Waits until the machine is quiet, at most so long, and says what speaks against measuring now. */
export async function quietOrDoubts(waitMsMax: number): Promise<Doubts> {
  const until = performance.now() + waitMsMax
  for (;;) {
    const doubts = doubtsAbout(readPressure())
    if (doubts.length === 0 || performance.now() >= until) return doubts
    await wait(1_000)
  }
}
