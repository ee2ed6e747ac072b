import { setTimeout as wait } from 'node:timers/promises'
import { keyRecordName } from '../../src/core/storage-layout.ts'
import { eventually } from './eventually.ts'
import type { GatewayUnderTest } from './gateway-under-test.ts'
import { forgedKey, unissuedKey } from './minted-keys.ts'

/** A credential that opens nothing. */
export interface BadCredential {
  readonly name: string
  readonly text: string
  /** Whether it looks like one of the gateway's keys; what does not is another system's, and none at all here. */
  readonly ours: boolean
}

const expiresInMs = 800

/**
 * Every way for a credential to be of no use, made with the gateway's own admin API where it has to be. The keys among
 * them were never used, and their end has reached KV.
 */
export async function badCredentials(gateway: GatewayUnderTest): Promise<readonly BadCredential[]> {
  const expired = await gateway.newKey({ expiresAtMs: Date.now() + expiresInMs })
  const revoked = await gateway.newKey()
  await gateway.admin('DELETE', `/accounts/${gateway.account}/keys/${revoked.id}`)
  await stored(gateway, keyRecordName(gateway.account, revoked.id), '"state":"revoked"')
  const deleted = await keyOfDeletedAccount(gateway)
  await wait(expiresInMs)
  const ours = {
    expired: expired.key,
    revoked: revoked.key,
    'of a deleted account': deleted,
    'with a forged MAC': forgedKey(gateway.ring),
    'of another ring': forgedKey('zz=AAAA'),
    'never issued': unissuedKey(gateway.ring, gateway.account),
    truncated: gateway.key.slice(0, -5),
    'too long': `${gateway.key}${'0'.repeat(300)}`,
    'a bare prefix': 'slc_',
  }
  const theirs = {
    garbage: 'not-a-key',
    'the word undefined': 'undefined',
    'the key in other letters': gateway.key.toUpperCase(),
    'the operator’s token': gateway.canaries['SLUICE_OPERATOR_TOKEN'] ?? '',
    'an upstream’s secret': gateway.canaries['OPENAI_API_KEY'] ?? '',
  }
  return [...named(ours, true), ...named(theirs, false)]
}

function named(texts: Readonly<Record<string, string>>, ours: boolean): BadCredential[] {
  return Object.entries(texts).map(([name, text]) => ({ name, text, ours }))
}

async function keyOfDeletedAccount(gateway: GatewayUnderTest): Promise<string> {
  const account = await gateway.admin('POST', '/accounts', { name: 'to be deleted', region: 'weur' })
  const id = String(account.json['id'])
  const issued = await gateway.admin('POST', `/accounts/${id}/keys`, { name: 'test' })
  await gateway.admin('DELETE', `/accounts/${id}`)
  await stored(gateway, keyRecordName(id, String(issued.json['id'])), '"state":"revoked"')
  return String(issued.json['key'])
}

async function stored(gateway: GatewayUnderTest, name: string, part: string): Promise<void> {
  await eventually(async () => (await gateway.rig.kvControl.entries())[name]?.includes(part) ?? false, 5_000)
}
