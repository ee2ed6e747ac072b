import { isAdminRefusal } from '../core/key/admin-refusal.ts'
import { isIdentifier } from '../core/key/key-text.ts'
import type { Clock, KeyAdmin } from '../ports.ts'
import { viewKey, type IssuedKeyView, type KeyView, type PageView } from './api.ts'
import type { ControlHono } from './control-hono.ts'
import { parsePage } from './input.ts'
import { parseKeyChange, parseNewKey } from './key-input.ts'
import { invalidInput, methodNotAllowed, notFound, problemResponse, refusalProblem } from './problem.ts'
import { readJson } from './read-json.ts'

const collection = '/_sluice/v1/accounts/:account/keys'
const member = `${collection}/:key`

export interface KeysDeps {
  readonly admin: KeyAdmin
  readonly clock: Clock
}

/** `/accounts/{account}/keys`: create, list, get, change, revoke. */
export function addKeys(app: ControlHono, { admin, clock }: KeysDeps): void {
  app.post(collection, async (c) => {
    const account = c.req.param('account')
    if (!isIdentifier(account)) return problemResponse(notFound, c.get('requestId'))
    const body = await readJson(c.req.raw)
    if ('problem' in body) return problemResponse(body.problem, c.get('requestId'))
    const parsed = parseNewKey(body.json, clock.nowMs())
    if ('problems' in parsed) return problemResponse(invalidInput(parsed.problems), c.get('requestId'))
    const issued = await admin.createKey(account, parsed.value)
    if (isAdminRefusal(issued)) return problemResponse(refusalProblem(issued), c.get('requestId'))
    const view: IssuedKeyView = { ...viewKey(issued.record), key: issued.text }
    return c.json(view, 201, { location: `/_sluice/v1/accounts/${account}/keys/${view.id}` })
  })

  app.get(collection, async (c) => {
    const account = c.req.param('account')
    if (!isIdentifier(account)) return problemResponse(notFound, c.get('requestId'))
    const page = parsePage(c.req.url)
    if ('problems' in page) return problemResponse(invalidInput(page.problems), c.get('requestId'))
    const keys = await admin.listKeys(account, page.value)
    if (isAdminRefusal(keys)) return problemResponse(refusalProblem(keys), c.get('requestId'))
    const view: PageView<KeyView> = { items: keys.items.map(viewKey), next: keys.next }
    return c.json(view)
  })

  app.on(['GET', 'DELETE'], member, async (c) => {
    const { account, key: id } = c.req.param()
    if (!isIdentifier(account) || !isIdentifier(id)) return problemResponse(notFound, c.get('requestId'))
    const key = await (c.req.method === 'DELETE' ? admin.revokeKey(account, id) : admin.getKey(account, id))
    if (isAdminRefusal(key)) return problemResponse(refusalProblem(key), c.get('requestId'))
    return c.json(viewKey(key))
  })

  app.patch(member, async (c) => {
    const { account, key: id } = c.req.param()
    if (!isIdentifier(account) || !isIdentifier(id)) return problemResponse(notFound, c.get('requestId'))
    const body = await readJson(c.req.raw)
    if ('problem' in body) return problemResponse(body.problem, c.get('requestId'))
    const parsed = parseKeyChange(body.json, clock.nowMs())
    if ('problems' in parsed) return problemResponse(invalidInput(parsed.problems), c.get('requestId'))
    const key = await admin.updateKey(account, id, parsed.value)
    if (isAdminRefusal(key)) return problemResponse(refusalProblem(key), c.get('requestId'))
    return c.json(viewKey(key))
  })

  app.all(collection, (c) => problemResponse(methodNotAllowed('GET, POST'), c.get('requestId')))
  app.all(member, (c) => problemResponse(methodNotAllowed('GET, PATCH, DELETE'), c.get('requestId')))
}
