/** Writes workerd's configuration as Cap'n Proto text (workerd.capnp, `struct Config`). */

/** A value of the text format; `raw` holds what is no string, list or struct, such as `void` or `embed "file"`. */
export type CapnpValue =
  | string
  | boolean
  | { readonly raw: string }
  | readonly CapnpValue[]
  | { readonly [field: string]: CapnpValue }

/** The contents of a file beside the configuration. */
export function embed(fileName: string): CapnpValue {
  return { raw: `embed ${quoted(fileName)}` }
}

/** The whole text of a configuration file whose one constant is `config`. */
export function capnpConfig(config: { readonly [field: string]: CapnpValue }): string {
  return [
    'using Workerd = import "/workerd/workerd.capnp";',
    `const config :Workerd.Config = ${written(config)};`,
    '',
  ].join('\n')
}

function written(value: CapnpValue): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'boolean') return String(value)
  if (isList(value)) return `[${value.map(written).join(', ')}]`
  if (isRaw(value)) return value.raw
  const fields = Object.entries(value).map(([name, field]) => `${name} = ${written(field)}`)
  return `(${fields.join(', ')})`
}

function isList(value: CapnpValue): value is readonly CapnpValue[] {
  return Array.isArray(value)
}

function isRaw(value: CapnpValue): value is { readonly raw: string } {
  return typeof value === 'object' && 'raw' in value && typeof value.raw === 'string'
}

/** A text literal; the format knows C's escapes, and other bytes stand as they are in UTF-8. */
function quoted(text: string): string {
  const escaped = text.replaceAll(/["\\\p{Cc}]/gu, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  })
  return `"${escaped}"`
}
