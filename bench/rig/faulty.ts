import { commandControl, readControl } from './control-client.ts'
import type { DurableMode, DurableStats } from './durable-faults.ts'

/** Steers and counts the Durable Objects of a rig from outside. */
export interface DurableControl {
  setMode(mode: DurableMode): Promise<void>
  /** Objects made and calls begun since the start or the last reset. */
  stats(): Promise<DurableStats>
  resetStats(): Promise<void>
}

/**
 * A main module that is the bundle but for its Durable Object classes, which obey the mode.
 * @param bundleModule name of the built bundle's module
 * @param faultsModule name of the module made from durable-faults.ts
 */
export function faultyShim(
  bundleModule: string,
  faultsModule: string,
  classNames: readonly string[],
): string {
  return [
    `import { DurableObject } from 'cloudflare:workers'`,
    `import * as bundle from './${bundleModule}'`,
    `import { underMode, durableControl } from './${faultsModule}'`,
    `export * from './${bundleModule}'`,
    `export { default } from './${bundleModule}'`,
    `export { durableControl }`,
    ...classNames.map(
      (name) => `export const ${name} = underMode('${name}', bundle.${name}, DurableObject.prototype)`,
    ),
    '',
  ].join('\n')
}

/** @param origin where the entrypoint `durableControl` of the shim listens */
export function durableControl(origin: string): DurableControl {
  return {
    setMode: (mode) => commandControl(`${origin}/mode`, mode),
    stats: () => readControl(`${origin}/stats`),
    resetStats: () => commandControl(`${origin}/reset`),
  }
}
