import { isAdminRefusal } from '../core/key/admin-refusal.ts'
import { isIdentifier } from '../core/key/key-text.ts'
import type { KeyAdmin } from '../ports.ts'
import type { ControlHono } from './control-hono.ts'
import { parseNewAccount, parsePage } from './input.ts'
import { invalidInput, methodNotAllowed, notFound, problemResponse, refusalProblem } from './problem.ts'
import { readJson } from './read-json.ts'

const collection = '/_sluice/v1/accounts'
const member = `${collection}/:account`

/** `/accounts`: create, list, get, delete. */
export function addAccounts(app: ControlHono, { admin }: { readonly admin: KeyAdmin }): void {
  app.post(collection, async (c) => {
    const body = await readJson(c.req.raw)
    if ('problem' in body) return problemResponse(body.problem, c.get('requestId'))
    const parsed = parseNewAccount(body.json)
    if ('problems' in parsed) return problemResponse(invalidInput(parsed.problems), c.get('requestId'))
    const account = await admin.createAccount(parsed.value)
    if (isAdminRefusal(account)) return problemResponse(refusalProblem(account), c.get('requestId'))
    return c.json(account, 201, { location: `${collection}/${account.id}` })
  })

  app.get(collection, async (c) => {
    const page = parsePage(c.req.url)
    if ('problems' in page) return problemResponse(invalidInput(page.problems), c.get('requestId'))
    const accounts = await admin.listAccounts(page.value)
    if (isAdminRefusal(accounts)) return problemResponse(refusalProblem(accounts), c.get('requestId'))
    return c.json(accounts)
  })

  app.on(['GET', 'DELETE'], member, async (c) => {
    const id = c.req.param('account')
    if (!isIdentifier(id)) return problemResponse(notFound, c.get('requestId'))
    const account = await (c.req.method === 'DELETE' ? admin.deleteAccount(id) : admin.getAccount(id))
    if (isAdminRefusal(account)) return problemResponse(refusalProblem(account), c.get('requestId'))
    return c.json(account)
  })

  app.all(collection, (c) => problemResponse(methodNotAllowed('GET, POST'), c.get('requestId')))
  app.all(member, (c) => problemResponse(methodNotAllowed('GET, DELETE'), c.get('requestId')))
}
