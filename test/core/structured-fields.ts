/** A String with its parameters, as it stands in a List of a structured field. */
export interface StringItem {
  readonly name: string
  readonly parameters: ReadonlyMap<string, string | number>
}

/** `sf-string`: printable ASCII, `"` and `\` behind a `\`. */
const stringForm = String.raw`"((?:[ !#-[\]-~]|\\["\\])*)"`
const itemForm = new RegExp(`^${stringForm}`)
const parameterForm = new RegExp(
  String.raw`^; *([a-z*][a-z0-9_.*-]*)=(?:(-?\d{1,15})(?![\d.])|${stringForm})`,
)

/**
 * Reads a List whose members are Strings with parameters that are Integers and Strings (RFC 9651 §4.2).
 * @throws {Error} on anything else
 */
export function parseListOfStrings(text: string): readonly StringItem[] {
  const items: StringItem[] = []
  let rest = text
  for (;;) {
    const item = itemForm.exec(rest)
    if (item === null) throw new Error(`no String at ${rest}`)
    rest = rest.slice(item[0].length)
    const parameters = new Map<string, string | number>()
    for (let found = parameterForm.exec(rest); found !== null; found = parameterForm.exec(rest)) {
      const [all, key = '', integer, string = ''] = found
      parameters.set(key, integer === undefined ? unescaped(string) : Number(integer))
      rest = rest.slice(all.length)
    }
    items.push({ name: unescaped(item[1] ?? ''), parameters })
    if (rest === '') return items
    const comma = /^[ \t]*,[ \t]*(?=.)/.exec(rest)
    if (comma === null) throw new Error(`no comma at ${rest}`)
    rest = rest.slice(comma[0].length)
  }
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(["\\])/g, '$1')
}
