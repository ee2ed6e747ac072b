import { BodyRewriter } from '../../core/llm/body-rewriter.ts'
import { choicesAsked, outputTokensMax, type BodyFacts } from '../../core/llm/body-facts.ts'
import { scanBody } from '../../core/llm/body-scan.ts'
import { putsOutNoText } from '../../core/llm/generating.ts'
import { rewriteBody, type Edit, type RewritePlan } from '../../core/llm/body-splice.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Exchange, LlmFacts, LlmForecast, SendableBody } from '../../ports.ts'
import { carryPieces, type BegunBody } from './carry-body.ts'
import { forecastUnread } from './forecast.ts'
import type { InspectedBody, Inspection } from './inspect.ts'
import { JudgedModel } from './judged-model.ts'
import { readFront, readWhole } from './read-whole.ts'
import { sendable, sendableBytes, type FoundBody } from './request-body.ts'

/** Up to this length a body is read before the upstream is called; a longer one is rewritten on its way. */
const wholeBytesMax = 262_144

/** Judges and rewrites a JSON body: its model, and usage in its stream. */
export function inspectJson(inspection: Inspection, found: FoundBody): Awaitable<Outcome<InspectedBody>> {
  const { stream, length } = found
  if (length === null) return inspectUndeclared(inspection, stream)
  return length <= wholeBytesMax
    ? inspectDeclared(inspection, stream, length)
    : inspectFlowing(inspection, stream, length)
}

async function inspectDeclared(
  inspection: Inspection,
  stream: ReadableStream<Uint8Array>,
  length: number,
): Promise<Outcome<InspectedBody>> {
  const { x, route, clock } = inspection
  const bytes = await readWhole(stream, length, { patienceMs: route.bodyMs, clock })
  return isRefusal(bytes) ? unlessLeft(x, bytes) : inspectWhole(inspection, bytes)
}

/** What a body does not say of its length must not keep it from being known: a short one is like any other. */
async function inspectUndeclared(
  inspection: Inspection,
  stream: ReadableStream<Uint8Array>,
): Promise<Outcome<InspectedBody>> {
  const { x, route, clock } = inspection
  const { bodyBytesMax: bytesMax, bodyMs } = route
  const startedMs = clock.nowMs()
  const front = await readFront(stream, Math.min(wholeBytesMax, bytesMax), { patienceMs: bodyMs, clock })
  if (isRefusal(front)) return unlessLeft(x, front)
  if (front.isWhole) return inspectWhole(inspection, front.bytes)
  if (front.bytes.length > bytesMax) {
    stream.cancel().catch(() => {})
    return { refused: 'body_too_large', bytesMax }
  }
  const flowing = inspectFlowing(inspection, { stream, front: front.bytes }, null)
  const leftMs = Math.max(0, bodyMs - (clock.nowMs() - startedMs))
  return { ...flowing, sendable: within(flowing.sendable, leftMs) }
}

function within(body: SendableBody, leftMs: number): SendableBody {
  return body.body.kind === 'stream' ? { ...body, body: { ...body.body, leftMs } } : body
}

/** A client that has left cannot be told what was wrong with its body. */
function unlessLeft({ signal }: Exchange, refusal: Refusal): Refusal {
  return signal.aborted ? { refused: 'client_left' } : refusal
}

function inspectWhole(inspection: Inspection, bytes: Uint8Array): Outcome<InspectedBody> {
  const scan = scanBody(bytes)
  if (isRefusal(scan)) return scan
  const judged = new JudgedModel(inspection)
  const plan = planFor(inspection, judged)
  const rewritten = rewriteBody(bytes, scan, plan)
  if (isRefusal(rewritten)) return rewritten
  const facts = factsOf(judged, plan, scan.facts, bytes.length)
  const forecast = inspection.generates ? forecastOf(inspection, facts, scan.facts) : null
  return { sendable: sendableBytes(rewritten), llm: { forecast, facts: () => facts } }
}

function forecastOf(
  { path }: Inspection,
  { model, bodyBytes, stream }: LlmFacts,
  body: BodyFacts,
): LlmForecast {
  return {
    model,
    bodyBytes,
    outputTokensMax: putsOutNoText(path) ? 0 : outputTokensMax(body),
    choices: choicesAsked(body),
    stream,
    bodyRead: true,
  }
}

/** @param length null where it is not declared, and greater than what is read whole */
function inspectFlowing(
  inspection: Inspection,
  body: ReadableStream<Uint8Array> | BegunBody,
  length: number | null,
): InspectedBody {
  const judged = new JudgedModel(inspection)
  const plan = planFor(inspection, judged)
  const rewriter = new BodyRewriter(plan)
  let seen: BodyFacts | null = null
  const carried = carryPieces(body, inspection.route.bodyBytesMax, {
    push: (chunk) => rewriter.push(chunk),
    end: () => {
      const ended = rewriter.end()
      if (!isRefusal(ended)) seen = ended.facts
      return ended
    },
  })
  const facts = () => factsOf(judged, plan, seen, length ?? carried.bytes())
  const forecast = forecastUnread(inspection, length ?? wholeBytesMax, wholeBytesMax)
  return { sendable: sendable(carried), llm: { forecast, facts } }
}

function planFor(inspection: Inspection, judged: JudgedModel): RewritePlan {
  const edits = new Map<string, Edit>([['model', (value) => judged.judge(value)]])
  return { edits, askForUsage: mayAskForUsage(inspection) }
}

/** @param facts null as long as the body has not been read to its end */
function factsOf(
  judged: JudgedModel,
  plan: RewritePlan,
  facts: BodyFacts | null,
  bodyBytes: number,
): LlmFacts {
  const stream = facts?.stream ?? false
  return {
    asked: judged.asked,
    model: judged.model,
    stream,
    askedForUsage: plan.askForUsage && stream && !(facts?.includeUsage ?? false),
    bodyBytes,
  }
}

/** Only chat and text completions know the option, and only of targets that take it. */
function mayAskForUsage({ path, route }: Inspection): boolean {
  const [target] = route.upstream.targets
  if (route.dialect !== 'openai' || route.streams.usage === 'never') return false
  return target?.includeUsage === true && path.endsWith('/completions')
}
