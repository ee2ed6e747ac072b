/** Runs a program that imports TypeScript, on whatever Node the machine has. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { hostIsNewEnough, nodePath } from '../install.mjs'
import { whenOrphaned } from './orphan.mjs'

/**
 * Imports the program, or starts it under the Node among the packages and ends as it ends.
 * @param {string} root
 * @param {URL} program
 */
export async function launch(root, program) {
  if (hostIsNewEnough()) {
    await import(program.href)
    return
  }
  const child = spawn(nodePath(root), [fileURLToPath(program), ...process.argv.slice(2)], {
    // The channel tells the program when this process is gone, however it went.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  // A terminal signals both, anyone else this one only: the program must bear a signal twice.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => child.kill(signal))
  }
  whenOrphaned(() => child.kill('SIGTERM'))
  process.exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
