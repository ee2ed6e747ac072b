import { cpus, release } from 'node:os'
import { workerdVersion } from '../rig/workerd-process.ts'

/** What a figure was measured on; versions come from the programs themselves. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
  readonly workerd: string
}

export function describeMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    kernel: release(),
    node: process.version,
    workerd: workerdVersion(),
  }
}
