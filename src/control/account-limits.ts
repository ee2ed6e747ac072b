import { isAdminRefusal } from '../core/key/admin-refusal.ts'
import { isIdentifier } from '../core/key/key-text.ts'
import { limitForm } from '../core/limit/kinds/limit-form.ts'
import type { KeyAdmin } from '../ports.ts'
import type { LimitsView } from './api.ts'
import type { ControlHono } from './control-hono.ts'
import { parseAccountLimits } from './key-input.ts'
import { invalidInput, methodNotAllowed, notFound, problemResponse, refusalProblem } from './problem.ts'
import { readJson } from './read-json.ts'

const path = '/_sluice/v1/accounts/:account/limits'

/** `/accounts/{account}/limits`: the limits that hold for all keys of an account together; get and set. */
export function addAccountLimits(app: ControlHono, { admin }: { readonly admin: KeyAdmin }): void {
  app.get(path, async (c) => {
    const account = c.req.param('account')
    if (!isIdentifier(account)) return problemResponse(notFound, c.get('requestId'))
    const limits = await admin.getLimits(account)
    if (isAdminRefusal(limits)) return problemResponse(refusalProblem(limits), c.get('requestId'))
    const view: LimitsView = { limits: limits.map(limitForm) }
    return c.json(view)
  })

  app.put(path, async (c) => {
    const account = c.req.param('account')
    if (!isIdentifier(account)) return problemResponse(notFound, c.get('requestId'))
    const body = await readJson(c.req.raw)
    if ('problem' in body) return problemResponse(body.problem, c.get('requestId'))
    const parsed = parseAccountLimits(body.json)
    if ('problems' in parsed) return problemResponse(invalidInput(parsed.problems), c.get('requestId'))
    const limits = await admin.setLimits(account, parsed.value)
    if (isAdminRefusal(limits)) return problemResponse(refusalProblem(limits), c.get('requestId'))
    const view: LimitsView = { limits: limits.map(limitForm) }
    return c.json(view)
  })

  app.all(path, (c) => problemResponse(methodNotAllowed('GET, PUT'), c.get('requestId')))
}
