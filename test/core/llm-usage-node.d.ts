/** The little of Node that reads files; the types of tests for the Worker's code know none of it. */
declare module 'node:fs' {
  export function readdirSync(
    folder: string | URL,
    options?: { readonly recursive?: boolean; readonly encoding?: 'utf8' },
  ): string[]
  export function readFileSync(path: string | URL): Uint8Array<ArrayBuffer>
  export function readFileSync(path: string | URL, encoding: 'utf8'): string
}

declare module 'node:process' {
  export const env: Readonly<Record<string, string | undefined>>
}

interface ImportMeta {
  readonly url: string
}
