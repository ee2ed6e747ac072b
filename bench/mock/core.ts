import type { Answer } from './answer.ts'
import { callOfRequest } from './call.ts'
import type { Call } from './call.ts'
import type { Fault } from './directive.ts'
import type { MockDeps, MockState } from './exchange.ts'
import { createLedger, uncountedEntry } from './ledger.ts'
import type { Entry, Ending, Stats } from './ledger.ts'
import { createRules } from './rules.ts'
import { answerVisit } from './routes.ts'
import { targetOf } from './target.ts'
import { carryToWeb } from './web-carrier.ts'

/** A fake provider and origin; see README.md for what it answers and how a request steers it. */
export interface Mock {
  readonly fetch: (request: Request) => Promise<Response>
  readonly stats: () => Stats
  /** As `POST /__set`. */
  readonly set: (rule: unknown) => Fault | undefined
  /** As `POST /__reset`: counters, rules and error sequences start over. */
  readonly reset: () => void
  /** For carriers other than `fetch`: books a call; the entry goes with it to `answer` and `settle`. */
  readonly open: (call: Call) => Entry
  readonly answer: (call: Call, entry: Entry) => Promise<Answer>
  readonly settle: (entry: Entry, ending: Ending) => void
  readonly connectionOpened: () => void
}

/** Makes a mock from a clock, a timer and a hash; everything else in it is the same wherever it runs. */
export function createMock(deps: MockDeps): Mock {
  const ledger = createLedger(deps.now)
  const rules = createRules()
  const state: MockState = { deps, ledger, rules, errDraws: new Map(), answered: 0 }

  function reset(): void {
    ledger.reset()
    rules.clear()
    state.errDraws.clear()
    state.answered = 0
  }

  function open(call: Call): Entry {
    return isControl(call) ? uncountedEntry(call) : ledger.open(call, targetOf(call).provider)
  }

  async function answer(call: Call, entry: Entry): Promise<Answer> {
    if (isControl(call)) return control(mock, call)
    const target = targetOf(call)
    const answered = await answerVisit({ state, call, entry, target }, target.route)
    // A carrier would play a whole stream into a response that has no body.
    const bodiless = call.method === 'HEAD' && typeof answered.body === 'object'
    return bodiless ? { ...answered, body: null } : answered
  }

  async function fetch(request: Request): Promise<Response> {
    const call = callOfRequest(request)
    const entry = open(call)
    return carryToWeb({ deps, entry, settle: ledger.settle, signal: request.signal }, () =>
      answer(call, entry),
    )
  }

  const { snapshot: stats, settle, connectionOpened } = ledger
  const mock: Mock = { fetch, stats, set: rules.set, reset, open, answer, settle, connectionOpened }
  return mock
}

function isControl(call: Call): boolean {
  return call.path.startsWith('/__')
}

async function control(mock: Mock, call: Call): Promise<Answer> {
  const endpoint = `${call.method} ${call.path}`
  if (endpoint === 'GET /__stats') return controlAnswer(200, mock.stats())
  if (endpoint === 'POST /__reset') {
    mock.reset()
    return controlAnswer(200, { reset: true })
  }
  if (endpoint !== 'POST /__set') return controlAnswer(404, { error: `No control ${endpoint}` })
  const fault = mock.set(parsedRule(await call.text()))
  return fault !== undefined ? controlAnswer(400, { error: fault.fault }) : controlAnswer(200, { set: true })
}

function controlAnswer(status: number, body: object): Answer {
  return {
    status,
    headers: ['content-type', 'application/json'],
    headAtMs: 0,
    body: JSON.stringify(body),
    tokens: 0,
  }
}

function parsedRule(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
