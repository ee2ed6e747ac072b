/** Files that match, as text, by path from the importing one (Vite, "Glob Import"). */
interface ImportMeta {
  glob<T>(
    pattern: string,
    options: { readonly query: string; readonly import: string; readonly eager: true },
  ): Readonly<Record<string, T>>
}
