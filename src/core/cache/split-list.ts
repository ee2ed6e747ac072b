/**
 * The members of a list field (RFC 9110 §5.6.1), trimmed, empty ones too. Commas inside quoted strings do not separate;
 * a quote that is never closed is a character like any other, so that it hides nothing behind it.
 */
export function splitList(value: string): readonly string[] {
  const members: string[] = []
  let start = 0
  let closable = true
  for (let at = 0; at < value.length; at += 1) {
    const character = value[at]
    if (character === ',') {
      members.push(value.slice(start, at).trim())
      start = at + 1
    } else if (character === '"' && closable) {
      const end = closingQuote(value, at + 1)
      if (end === -1) closable = false
      else at = end
    }
  }
  members.push(value.slice(start).trim())
  return members
}

function closingQuote(value: string, from: number): number {
  for (let at = from; at < value.length; at += 1) {
    if (value[at] === '\\') at += 1
    else if (value[at] === '"') return at
  }
  return -1
}
