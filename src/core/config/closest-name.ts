/** A name further away than this is another word, not a slip. */
const slipsMax = 2
const nameLengthMax = 64

/** The known name that somebody who wrote `name` most likely meant, or null. */
export function closestName(name: string, known: Iterable<string>): string | null {
  if (name.length > nameLengthMax) return null
  let closest: string | null = null
  let fewest = Math.min(slipsMax, Math.ceil(name.length / 3)) + 1
  for (const candidate of known) {
    const slips = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (slips >= fewest) continue
    fewest = slips
    closest = candidate
  }
  return closest
}

/** How many characters have to be put in, taken out or replaced (Levenshtein). */
function editDistance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > slipsMax) return slipsMax + 1
  let previous = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[to.length] ?? slipsMax + 1
}
