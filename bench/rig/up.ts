/** `node bench/rig/up.ts`: mock, pass-through Worker and gateway on bare workerd, until Ctrl-C. */
import { startMock } from '../mock/server.ts'
import { startGateway } from './gateway.ts'
import { startPassthrough } from './plain-worker.ts'

const mock = await startMock()
const passthrough = await startPassthrough(mock.url)
const { rig, key, operatorToken } = await startGateway(mock.url)

process.stdout.write(
  [
    `mock          ${mock.url}`,
    `pass-through  ${passthrough.url} (pid ${passthrough.pid})`,
    `gateway       ${rig.url} (pid ${rig.pid}, bundle ${rig.bundle.sha256.slice(0, 12)})`,
    `key           ${key}`,
    `operator      ${operatorToken}`,
    '',
  ].join('\n'),
)

async function stop(): Promise<void> {
  await Promise.all([rig.close(), passthrough.close(), mock.close()])
  process.exit()
}

process.once('SIGINT', () => void stop())
process.once('SIGTERM', () => void stop())
