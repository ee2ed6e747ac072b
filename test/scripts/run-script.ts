import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Root of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface RunningScript {
  readonly child: ChildProcess
  /** What it has written to both outputs so far. */
  readonly output: () => string
  /** Resolves with the first match in its output; rejects when it ends without. */
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>
}

/** Runs a script of `scripts/` as a process of its own; variables of undefined are taken away. */
export function runScript(
  name: string,
  args: readonly string[],
  variables: Readonly<Record<string, string | undefined>> = {},
): RunningScript {
  const child = spawn(process.execPath, [`scripts/${name}`, ...args], {
    cwd: root,
    env: { ...process.env, CI: undefined, VITEST: undefined, NODE_OPTIONS: undefined, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const listeners = new Set<() => void>()
  const note = (chunk: string) => {
    output += chunk
    for (const listener of listeners) listener()
  }
  child.stdout.setEncoding('utf8').on('data', note)
  child.stderr.setEncoding('utf8').on('data', note)
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, output }))
  })
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(output)
        if (match === null) return
        listeners.delete(look)
        resolve(match)
      }
      listeners.add(look)
      look()
      void ended.then(() => reject(new Error(`${name} ended without ${pattern}:\n${output}`)))
    })
  return { child, output: () => output, until, ended }
}
