import type { PurgeSubject } from '../core/cache/purge-log.ts'
import type { Account, NewAccount, Page, PageRequest } from '../core/key/account.ts'
import { isAdminRefusal, type AdminOutcome, type AdminRefusal } from '../core/key/admin-refusal.ts'
import type { KeyChange, KeyRecord, NewKey } from '../core/key/key-record.ts'
import type { KeyRing } from '../core/key/key-ring.ts'
import { formatKeyText, macInput, macText, newIdentifier, newSecret } from '../core/key/key-text.ts'
import type { LimitSpec } from '../core/limit/spec.ts'
import { firstGeneration, registryName } from '../core/storage-layout.ts'
import { within } from '../core/within.ts'
import type { Ledger } from '../durable/ledger/ledger.ts'
import type { Registry } from '../durable/registry.ts'
import type { Clock, Digest, IssuedKeyText, KeyAdmin, Random } from '../ports.ts'
import { keyHash } from './key-mac.ts'
import { ledgerStub } from './ledger-stub.ts'

export interface KeyAdminDeps {
  readonly ledgers: DurableObjectNamespace<Ledger>
  readonly registry: DurableObjectNamespace<Registry>
  /** Null when the Worker has no usable ring: then no keys are issued. */
  readonly ring: KeyRing | null
  readonly digest: Digest
  readonly random: Random
  readonly clock: Clock
}

/** How long an operator waits for a Durable Object; a new one may have to be made far away. */
const answerMs = 10_000
/** How often a taken id is drawn again; two in a row do not happen with 50 random bits. */
const drawsMax = 3

const unavailable: AdminRefusal = { refused: 'accounts_unavailable', retryAfterMs: 1_000 }

/** Accounts and keys over the Registry and the Ledgers. The secret of a key exists only inside `createKey`. */
export function createKeyAdmin(deps: KeyAdminDeps): KeyAdmin {
  return new DurableKeyAdmin(deps)
}

class DurableKeyAdmin implements KeyAdmin {
  readonly #deps: KeyAdminDeps

  constructor(deps: KeyAdminDeps) {
    this.#deps = deps
  }

  async createAccount({ name, region }: NewAccount): Promise<AdminOutcome<Account>> {
    const account = await this.#draw((id) =>
      this.#askRegistry((registry) =>
        registry.createAccount({ id, name, region, generation: firstGeneration }),
      ),
    )
    if (isAdminRefusal(account)) return account
    const opened = await this.#open(account)
    return isAdminRefusal(opened) ? opened : account
  }

  listAccounts(page: PageRequest): Promise<AdminOutcome<Page<Account>>> {
    return this.#askRegistry((registry) => registry.listAccounts(page))
  }

  getAccount(account: string): Promise<AdminOutcome<Account>> {
    return this.#askRegistry((registry) => registry.getAccount(account))
  }

  /** The Ledger first, since it decides; the list follows. */
  async deleteAccount(id: string): Promise<AdminOutcome<Account>> {
    const deleted = await this.#askLedger(id, (ledger) => ledger.deleteAccount())
    if (isAdminRefusal(deleted)) return deleted
    return this.#askRegistry((registry) => registry.deleteAccount(id))
  }

  async createKey(account: string, key: NewKey): Promise<AdminOutcome<IssuedKeyText>> {
    const { ring } = this.#deps
    if (ring === null) return { refused: 'keys_not_configured' }
    return this.#draw(async (id) => {
      const text = await this.#newKeyText(ring, account, id)
      const issued = {
        id,
        hash: await keyHash(text, this.#deps.digest),
        name: key.name,
        scopes: key.scopes,
        models: key.models,
        limits: key.limits,
        strict: key.strict,
        expiresAtMs: key.expiresAtMs,
        createdAtMs: this.#deps.clock.nowMs(),
      }
      const record = await this.#askLedger(account, (ledger) => ledger.createKey(issued))
      return isAdminRefusal(record) ? record : { text, record }
    })
  }

  listKeys(account: string, page: PageRequest): Promise<AdminOutcome<Page<KeyRecord>>> {
    return this.#askLedger(account, (ledger) => ledger.listKeys(page))
  }

  getKey(account: string, keyId: string): Promise<AdminOutcome<KeyRecord>> {
    return this.#askLedger(account, (ledger) => ledger.getKey(keyId))
  }

  revokeKey(account: string, keyId: string): Promise<AdminOutcome<KeyRecord>> {
    return this.#askLedger(account, (ledger) => ledger.revokeKey(keyId))
  }

  async updateKey(account: string, keyId: string, change: KeyChange): Promise<AdminOutcome<KeyRecord>> {
    const record = await this.#askLedger(account, (ledger) => ledger.updateKey(keyId, change))
    // A revoked key keeps its record as it is.
    return !isAdminRefusal(record) && record.state === 'revoked' ? { refused: 'key_revoked' } : record
  }

  getLimits(account: string): Promise<AdminOutcome<readonly LimitSpec[]>> {
    return this.#askLedger(account, (ledger) => ledger.limits())
  }

  setLimits(account: string, limits: readonly LimitSpec[]): Promise<AdminOutcome<readonly LimitSpec[]>> {
    return this.#askLedger(account, (ledger) => ledger.setLimits(limits))
  }

  purge(
    account: string,
    subject: PurgeSubject,
    hard: boolean,
  ): Promise<AdminOutcome<{ readonly epoch: number }>> {
    return this.#askLedger<{ readonly epoch: number }>(account, (ledger) => ledger.purge(subject, hard))
  }

  async #newKeyText(ring: KeyRing, account: string, id: string): Promise<string> {
    const { digest, random } = this.#deps
    const parts = { ring: ring.issuing.name, account, id, secret: newSecret((count) => random.bytes(count)) }
    const hmac = await digest.hmacSha256(ring.issuing.bytes, macInput(parts))
    return formatKeyText({ ...parts, mac: macText(hmac) })
  }

  async #draw<T extends object>(attempt: (id: string) => Promise<AdminOutcome<T>>): Promise<AdminOutcome<T>> {
    let outcome: AdminOutcome<T> = unavailable
    for (let draws = 0; draws < drawsMax; draws += 1) {
      outcome = await attempt(newIdentifier((count) => this.#deps.random.bytes(count)))
      if (!isAdminRefusal(outcome) || outcome.refused !== 'id_taken') return outcome
    }
    return outcome
  }

  /**
   * Asks the Ledger of an account the Registry knows; no other Ledger is ever made. One whose opening was lost is
   * opened now.
   */
  async #askLedger<T extends object>(
    id: string,
    ask: (ledger: DurableObjectStub<Ledger>) => PromiseLike<AdminOutcome<T>>,
  ): Promise<AdminOutcome<T>> {
    const account = await this.getAccount(id)
    if (isAdminRefusal(account)) return account
    const askOnce = (): Promise<AdminOutcome<T>> =>
      this.#answer(() => ask(ledgerStub(this.#deps.ledgers, id, account.generation, account.region)))
    const outcome = await askOnce()
    if (!isAdminRefusal(outcome) || outcome.refused !== 'account_unknown') return outcome
    const opened = await this.#open(account)
    return isAdminRefusal(opened) ? opened : askOnce()
  }

  #open({ id, region, generation }: Account): Promise<AdminOutcome<object>> {
    return this.#answer(() =>
      ledgerStub(this.#deps.ledgers, id, generation, region).open({ id, region, generation }),
    )
  }

  #askRegistry<T extends object>(
    ask: (registry: DurableObjectStub<Registry>) => PromiseLike<AdminOutcome<T>>,
  ): Promise<AdminOutcome<T>> {
    return this.#answer(() => ask(this.#deps.registry.getByName(registryName)))
  }

  /** A failing or silent Durable Object is a refusal. */
  #answer<T extends object>(ask: () => PromiseLike<AdminOutcome<T>>): Promise<AdminOutcome<T>> {
    return within(this.#deps.clock, answerMs, (async () => ask())(), unavailable)
  }
}
