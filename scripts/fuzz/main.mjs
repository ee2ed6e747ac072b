/** The program behind `npm run fuzz`; wants a Node that runs TypeScript. */
import { targets } from '../../test/fuzz/targets.ts'
import { keepCorpus, keepCrash, readCorpus } from './files.mjs'
import { runGuided } from './guided.mjs'
import { parseFuzzOptions } from './options.mjs'
import { runRandom } from './random.mjs'

const options = parseFuzzOptions(process.argv.slice(2))
if ('problem' in options) throw new Error(options.problem)
for (const target of targets.filter(({ name }) => options.targets.includes(name))) {
  if (!fuzz(target, options)) process.exitCode = 1
}

/**
 * Fuzzes one target and says how it went.
 * @param {import('../../test/fuzz/targets.ts').Target} target
 * @param {import('./options.mjs').FuzzOptions} chosen
 * @returns {boolean} whether everything held
 */
function fuzz(target, chosen) {
  const seed = chosen.seed ?? Math.floor(Math.random() * 2 ** 31)
  const startedMs = performance.now()
  const result = chosen.guided
    ? runGuided(target, { seconds: chosen.seconds ?? 120, seed, corpus: readCorpus(target.name) })
    : runRandom(target, { runs: chosen.runs, seconds: chosen.seconds, seed })
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const { runs, failure, coverage } = result
  const reached = coverage === null ? '' : `, ${coverage.reached} blocks of code reached`
  const failures = failure === null ? 0 : 1
  console.log(`${target.name}: ${runs} inputs in ${seconds} s, ${failures} failures, seed ${seed}${reached}`)
  if (chosen.keep && coverage !== null) {
    keepCorpus(target.name, coverage.corpus)
    console.log(`  ${coverage.corpus.length} inputs kept in test/fuzz/corpus/${target.name}.json`)
  }
  if (failure === null) return true
  console.log(`  ${failure.rule}\n  ${JSON.stringify(failure.input)}`)
  console.log(`  kept as ${keepCrash(target.name, failure)}`)
  return false
}
