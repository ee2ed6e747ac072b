/** The value of a secret among the bindings of the Worker; null when there is none of that name. */
export function secretValue(bindings: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = bindings[name]
  // Tools that set secrets leave a line feed.
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null
}
