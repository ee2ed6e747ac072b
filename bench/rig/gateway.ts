import { createAccount, createKey } from '../../scripts/start/admin.mjs'
import { pointUpstreams, readConfiguration } from '../../scripts/start/configuration.mjs'
import { makeSecrets } from '../../scripts/start/state.mjs'
import { projectFolder } from './bundle.ts'
import { startRig, type Rig, type RigOptions } from './rig.ts'

/** A rig that serves: its upstreams are the mock, and there is an account with a key. */
export interface Gateway {
  readonly rig: Rig
  /** Client key, made through the admin API like everyone's. */
  readonly key: string
  readonly operatorToken: string
}

/** What targets present to the mock in place of a credential. */
const upstreamCredential = 'bench-credential'

/**
 * Starts the gateway with the project's own configuration, every target pointed at the mock.
 * @param options as of startRig; `bindings` may replace secrets and `SLUICE_CONFIG`
 */
export async function startGateway(mockUrl: string, options: RigOptions = {}): Promise<Gateway> {
  const { document, upstreams } = pointUpstreams(readConfiguration(projectFolder), mockUrl, {})
  const secrets = makeSecrets()
  const credentials = upstreams.flatMap((upstream) =>
    upstream.secrets.map((name) => [name, upstreamCredential]),
  )
  const bindings = {
    ...Object.fromEntries(credentials),
    ...secrets,
    SLUICE_CONFIG: document,
    ...options.bindings,
  }
  const rig = await startRig({ ...options, bindings })
  try {
    const operatorToken = bindings.SLUICE_OPERATOR_TOKEN
    const admin = { url: new URL(rig.url), token: operatorToken }
    const account = await createAccount(admin, { name: 'bench', region: 'weur' })
    const { key } = await createKey(admin, account, 'bench')
    return { rig, key, operatorToken }
  } catch (error) {
    await rig.close()
    throw new Error(`The gateway makes no account: ${String(error)}\n${rig.log()}`, { cause: error })
  }
}
