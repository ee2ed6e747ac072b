import type { PurgeSubject } from '../core/cache/purge-log.ts'
import { isAdminRefusal } from '../core/key/admin-refusal.ts'
import { isIdentifier } from '../core/key/key-text.ts'
import type { KeyAdmin } from '../ports.ts'
import type { PurgedView } from './api.ts'
import type { ControlHono } from './control-hono.ts'
import { invalidInput, methodNotAllowed, notFound, problemResponse, refusalProblem } from './problem.ts'
import { readJson } from './read-json.ts'
import { finish, problem, readFields, type Parsed, type Reading } from './reading.ts'

const path = '/_sluice/v1/accounts/:account/purges'
const subjects = ['all', 'url', 'prefix', 'tag'] as const
const pathForm = /^\/[!-~]{0,4095}$/
const forms = { url: pathForm, prefix: pathForm, tag: /^[!-~]{1,256}$/ } as const

interface Purge {
  readonly subject: PurgeSubject
  readonly hard: boolean
}

/** `/accounts/{account}/purges`: says that cached answers of the account are not to be served any more. */
export function addPurges(app: ControlHono, { admin }: { readonly admin: KeyAdmin }): void {
  app.post(path, async (c) => {
    const account = c.req.param('account')
    if (!isIdentifier(account)) return problemResponse(notFound, c.get('requestId'))
    const body = await readJson(c.req.raw)
    if ('problem' in body) return problemResponse(body.problem, c.get('requestId'))
    const parsed = parsePurge(body.json)
    if ('problems' in parsed) return problemResponse(invalidInput(parsed.problems), c.get('requestId'))
    const purged = await admin.purge(account, parsed.value.subject, parsed.value.hard)
    if (isAdminRefusal(purged)) return problemResponse(refusalProblem(purged), c.get('requestId'))
    const view: PurgedView = { epoch: purged.epoch }
    return c.json(view)
  })

  app.all(path, (c) => problemResponse(methodNotAllowed('POST'), c.get('requestId')))
}

/** One of `all: true`, `url`, `prefix` and `tag`, and if wanted `hard`. */
function parsePurge(body: unknown): Parsed<Purge> {
  const read = readFields(body, [...subjects, 'hard'])
  const subject = readSubject(read)
  const hard = read.fields.get('hard') ?? false
  if (typeof hard !== 'boolean') problem(read, '$.hard', 'true or false', hard)
  return finish(read, { subject, hard: hard === true })
}

function readSubject(read: Reading): PurgeSubject {
  const said = subjects.filter((name) => read.fields.has(name))
  const [kind] = said
  if (kind === undefined || said.length > 1) {
    if (read.problems.length === 0) problem(read, '$', `one of ${subjects.join(', ')}`, undefined)
    return { kind: 'all' }
  }
  const value = read.fields.get(kind)
  if (kind !== 'all') return readNamed(read, kind, value)
  if (value !== true) problem(read, '$.all', 'true', value)
  return { kind }
}

function readNamed(read: Reading, kind: 'url' | 'prefix' | 'tag', value: unknown): PurgeSubject {
  if (typeof value !== 'string' || !forms[kind].test(value)) {
    const expected = kind === 'tag' ? 'a tag' : 'a path that begins with `/`'
    problem(read, `$.${kind}`, expected, value)
    return { kind: 'all' }
  }
  if (kind === 'url') return { kind, url: value }
  return kind === 'prefix' ? { kind, prefix: value } : { kind, tag: value }
}
