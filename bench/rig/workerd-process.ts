import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** What stands beside the configuration: a text, a copy of another file, or an empty folder. */
export type WorkerdFile = { readonly text: string } | { readonly copyOf: string } | { readonly folder: true }

export interface WorkerdOptions {
  /** Text of the configuration, which will stand in `folder`; `embed` names files of `files`. */
  readonly config: (folder: string) => string
  readonly files: Readonly<Record<string, WorkerdFile>>
  /** Names of the sockets to wait for; the configuration should bind each to 127.0.0.1. */
  readonly sockets: readonly string[]
  /** Serve the inspector protocol on a free port. */
  readonly inspector?: boolean
  /** Write a structural trace (JSON lines) to this file. */
  readonly asyncTrace?: string
  /** Run on this processor only. */
  readonly cpu?: number
}

/** Resident memory in bytes, from /proc/PID/status. */
interface Memory {
  readonly total: number
  /** What is not mapped from a file: the part the Worker is answerable for. */
  readonly anonymous: number
  readonly peak: number
}

export interface WorkerdProcess {
  readonly pid: number
  /** Port of each socket by name; `inspector` when asked for. */
  readonly ports: Readonly<Record<string, number>>
  /** Everything written to stdout and stderr so far. */
  readonly log: () => string
  readonly memory: () => Memory
  /** CPU time of all threads that still run, in nanoseconds (field 1 of schedstat). */
  readonly cpuNs: () => number
  /** SIGTERM, SIGKILL after 1 s; resolves when the process is gone and its folder removed. */
  readonly close: () => Promise<void>
}

const require = createRequire(import.meta.url)
export const configName = 'config.capnp'

const startTimeMs = 20_000
const termTimeMs = 1_000
/** Each process and its folder. */
const running = new Map<ChildProcess, string>()

process.on('exit', () => {
  for (const [child, folder] of running) {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Path of the native workerd, without the script that wraps it on some platforms. */
export function workerdPath(): string {
  const { default: path } = require('workerd') as { default: string }
  return path
}

/** Version as the binary itself states it. */
export function workerdVersion(): string {
  return execFileSync(workerdPath(), ['--version'], { encoding: 'utf8' }).trim()
}

/** Makes a folder of its own under the system's temporary folder, with the configuration and what it refers to. */
export function writeConfigFolder({ config, files }: Pick<WorkerdOptions, 'config' | 'files'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rig-'))
  writeFileSync(join(folder, configName), config(folder))
  for (const [name, file] of Object.entries(files)) {
    if ('text' in file) writeFileSync(join(folder, name), file.text)
    else if ('copyOf' in file) copyFileSync(file.copyOf, join(folder, name))
    else mkdirSync(join(folder, name))
  }
  return folder
}

/**
 * Starts `workerd serve` and waits until every socket listens.
 * @throws {Error} with workerd's own words when it does not start
 */
export async function startWorkerd(options: WorkerdOptions): Promise<WorkerdProcess> {
  const folder = writeConfigFolder(options)
  const [command, ...args] = commandLine(options, join(folder, configName))
  // To a file, not a pipe: the process that measures must not be woken by every line the gateway logs.
  const logPath = join(folder, 'log')
  const logFile = openSync(logPath, 'a')
  const child = spawn(command, args, { stdio: ['ignore', logFile, logFile, 'pipe'] })
  closeSync(logFile)
  running.set(child, folder)
  const exited = once(child, 'exit').then(() => running.delete(child))
  let lastLog: string | null = null
  const log = (): string => lastLog ?? readFileSync(logPath, 'utf8')
  const close = async (): Promise<void> => {
    if (running.has(child)) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), termTimeMs)
      await exited
      clearTimeout(timer)
    }
    lastLog = log()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const awaited = options.inspector === true ? [...options.sockets, 'inspector'] : options.sockets
    const ports = await Promise.race([
      listening(child.stdio[3] as Readable, awaited),
      exited.then(() => Promise.reject(new Error('it exited'))),
      expired(startTimeMs),
    ])
    const pid = child.pid as number
    return { pid, ports, log, memory: () => memoryOf(pid), cpuNs: () => cpuNsOf(pid), close }
  } catch (error) {
    await close()
    throw new Error(`workerd did not start (${String(error)}):\n${log()}`, { cause: error })
  }
}

function commandLine(options: WorkerdOptions, configPath: string): [string, ...string[]] {
  const command = [workerdPath(), 'serve', configPath, '--control-fd=3']
  if (options.inspector === true) command.push('--inspector-addr=127.0.0.1:0')
  if (options.asyncTrace !== undefined) command.push(`--async-trace=${options.asyncTrace}`)
  if (options.cpu !== undefined) command.unshift('taskset', '--cpu-list', String(options.cpu))
  return command as [string, ...string[]]
}

/** Reads `{"event":"listen","socket":NAME,"port":N}` lines until every socket has its port. */
async function listening(control: Readable, sockets: readonly string[]): Promise<Record<string, number>> {
  const ports: Record<string, number> = {}
  for await (const line of createInterface({ input: control })) {
    const event = JSON.parse(line) as { event: string; socket?: string; port?: number }
    if (event.port !== undefined) ports[event.socket ?? event.event.replace('listen-', '')] = event.port
    if (sockets.every((name) => name in ports)) return ports
  }
  throw new Error('it closed its control channel')
}

function expired(ms: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(`not ready after ${ms} ms`)), ms).unref()
  })
}

function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1_024
  return { total: bytes('VmRSS'), anonymous: bytes('RssAnon'), peak: bytes('VmHWM') }
}

function cpuNsOf(pid: number): number {
  let sum = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // A thread that ended between the two reads.
    }
  }
  return sum
}
