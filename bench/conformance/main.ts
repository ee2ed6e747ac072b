/**
 * `node scripts/conformance.mjs [--profile full|safe] [--list]`: the public suite http-tests/cache-tests against the built
 * gateway on bare workerd. Fails when a test that is not expected to fail does.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { makeSecrets } from '../../scripts/start/state.mjs'
import { figureLine } from '../node/report.ts'
import { startRig } from '../rig/rig.ts'
import { findSuite, readTests, startOrigin, type RawResult, type Suite } from './suite.ts'
import { judgeResults, passesOf, type Judged } from './verdicts.ts'

const profiles = ['full', 'safe'] as const
type Profile = (typeof profiles)[number]

/** Why tests are known not to pass, by profile and id. */
type Expected = Readonly<Record<Profile, Readonly<Record<string, string>>>>

const { values } = parseArgs({
  options: { profile: { type: 'string' }, list: { type: 'boolean', default: false } },
})
const suite = findSuite(process.env['CACHE_TESTS'])
const expected = JSON.parse(readFileSync(new URL('expected.json', import.meta.url), 'utf8')) as Expected
const print = (line: string): void => void process.stdout.write(`${line}\n`)

print(`# http-tests/cache-tests ${suite.version}, bare workerd`)
let surprises = 0
for (const profile of profiles) {
  if (values.profile === undefined || values.profile === profile) surprises += await measure(profile, suite)
}
if (surprises > 0) {
  print(`${surprises} tests came out worse than expected.json says.`)
  process.exitCode = 1
}

/** @returns how many tests failed that should not */
async function measure(profile: Profile, { folder }: Suite): Promise<number> {
  const groups = await readTests(suite)
  const judged = judgeResults(groups, await runSuite(profile, folder))
  for (const kind of ['required', 'optimal'] as const) {
    const of = judged.filter((test) => test.kind === kind).length
    print(
      figureLine({
        name: `cache.conformance.${profile}.${kind}`,
        value: passesOf(judged, kind),
        unit: 'passes',
      }),
    )
    print(`# of ${of} ${kind} tests`)
  }
  const checks = judged.filter((test) => test.kind === 'check')
  print(`# ${profile}: ${passesOf(judged, 'check')} of ${checks.length} questions answered with yes`)
  const missed = judged.filter(({ kind, verdict }) => kind !== 'check' && verdict !== 'pass')
  const unexpected = missed.filter(({ id }) => !Object.hasOwn(expected[profile], id))
  for (const test of values.list ? missed : unexpected) print(described(test, expected[profile][test.id]))
  const better = Object.keys(expected[profile]).filter((id) => missed.every((test) => test.id !== id))
  if (better.length > 0)
    print(`# ${profile}: these pass now, take them out of expected.json: ${better.join(' ')}`)
  return unexpected.length
}

function described({ kind, group, id, verdict, words }: Judged, cause: string | undefined): string {
  return `  ${cause === undefined ? 'NEW' : 'known'} ${kind} ${group} ${id}: ${verdict}; ${words}${cause === undefined ? '' : ` (${cause})`}`
}

async function runSuite(profile: Profile, folder: string): Promise<Readonly<Record<string, RawResult>>> {
  const origin = await startOrigin(suite)
  const rig = await startRig({ bindings: bindingsFor(profile, origin.url) })
  try {
    const client = fileURLToPath(new URL('suite-client.ts', import.meta.url))
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [client, folder, rig.url], {
      maxBuffer: 64_000_000,
    })
    if (process.env['DEBUG'] !== undefined) process.stderr.write(stderr + rig.log().slice(-4000))
    return JSON.parse(stdout) as Record<string, RawResult>
  } finally {
    await rig.close()
    origin.close()
  }
}

function bindingsFor(profile: Profile, originUrl: string): Record<string, unknown> {
  const document = {
    version: 1,
    gateway: { clientAddress: 'none', serverTiming: false },
    // The suite counts what reaches its origin, so nothing is asked for twice.
    upstreams: { origin: { dialect: 'http', targets: [{ origin: originUrl }], retries: { max: 0 } } },
    routes: [{ id: 'all', path: '/*', upstream: 'origin', auth: 'none', cache: { profile } }],
  }
  return {
    ...makeSecrets(),
    SLUICE_CONFIG: document,
  }
}
