import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const built = new Map<string, Promise<string>>()

/**
 * One ES module for workerd from a TypeScript file of the bench and all that it imports.
 * A second call in this process gives the same text.
 * @param source URL of the file
 * @throws {Error} esbuild's, when the file does not build
 */
export function workerModule(source: URL): Promise<string> {
  const text = built.get(source.href) ?? bundled(source)
  built.set(source.href, text)
  return text
}

async function bundled(source: URL): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(source)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'import'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'silent',
  })
  const text = outputFiles[0]?.text
  if (text === undefined) throw new Error(`esbuild made nothing of ${source.pathname}.`)
  return text
}
