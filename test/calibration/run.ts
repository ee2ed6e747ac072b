/**
 * The proxy-generic cases, byte for byte, through the gateway and through nginx and HAProxy with a minimal configuration:
 * `npx node test/calibration/run.ts [--detail]`. Needs `nginx` and `haproxy` in the path; on Debian
 * `apt-get install nginx haproxy`.
 */
import { startScriptedUpstream } from '../support/scripted-upstream.ts'
import { cases, type Trial } from './cases.ts'
import { startHaproxy, startNginx, startOurs, type Proxy } from './proxies.ts'

const detail = process.argv.includes('--detail')

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function tally(trials: readonly Trial[]): string {
  return `${trials.filter(({ holds }) => holds).length}/${trials.length}`
}

function printFailed(name: string, trials: readonly Trial[]): void {
  for (const { input, holds, saw } of trials) {
    if (!holds) print(`    ${name}: ${JSON.stringify(input.slice(0, 90))}: ${saw}`)
  }
}

const up = await startScriptedUpstream()
const elsewhere = await startScriptedUpstream()
const proxies: Proxy[] = []
try {
  proxies.push(await startOurs(up.url), await startNginx(up.port), await startHaproxy(up.port))
  print(`| case | holds for every input | ${proxies.map(({ name }) => name).join(' | ')} |`)
  print(`| --- | --- | ${proxies.map(() => '---').join(' | ')} |`)
  for (const each of cases) {
    const results: Trial[][] = []
    for (const proxy of proxies) results.push(await each.run(proxy, up, elsewhere))
    print(`| ${each.id} | ${each.rule} | ${results.map(tally).join(' | ')} |`)
    if (detail) results.forEach((trials, at) => printFailed(proxies[at]?.name ?? '', trials))
  }
  print(`# ${proxies.map(({ name, version }) => `${name} ${version}`).join(', ')}`)
} finally {
  await Promise.all(proxies.map((proxy) => proxy.close()))
  await Promise.all([up.close(), elsewhere.close()])
}
