import { commandControl, readControl } from './control-client.ts'
import type { KvMode, KvStats } from './kv-service.ts'

/** Steers and counts the KV namespace of a rig from outside. */
export interface KvControl {
  /** What the namespace does from now on; requests that already hang go on hanging. */
  setMode(mode: KvMode): Promise<void>
  /** Operations since the start or the last reset. */
  stats(): Promise<KvStats>
  resetStats(): Promise<void>
  /** Every key with its value as text, whatever the mode. */
  entries(): Promise<Readonly<Record<string, string>>>
}

/** @param origin where the entrypoint `control` of the KV service listens */
export function kvControl(origin: string): KvControl {
  return {
    setMode: (mode) => commandControl(`${origin}/__kv/mode`, mode),
    stats: () => readControl(`${origin}/__kv/stats`),
    resetStats: () => commandControl(`${origin}/__kv/reset`),
    entries: () => readControl(`${origin}/__kv/entries`),
  }
}
