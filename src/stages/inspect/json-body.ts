import { BodyRewriter } from '../../core/llm/body-rewriter.ts'
import { choicesAsked, outputTokensMax, type BodyFacts } from '../../core/llm/body-facts.ts'
import { scanBody, type BodyScan } from '../../core/llm/body-scan.ts'
import { putsOutNoText } from '../../core/llm/generating.ts'
import { rewriteBody, type Edit, type RewritePlan } from '../../core/llm/body-splice.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../core/outcome.ts'
import type { LlmFacts, LlmForecast } from '../../ports.ts'
import { carryPieces, type CarriedBody } from './carry-body.ts'
import { forecastUnread, longBytes, undeclaredBytes } from './forecast.ts'
import type { InspectedBody, Inspection } from './inspect.ts'
import { JudgedModel } from './judged-model.ts'
import { readFront, readWhole } from './read-whole.ts'
import { sendable, sendableBytes, type FoundBody } from './request-body.ts'

/** A body that is rewritten on its way. */
interface FlowingBody {
  readonly stream: ReadableStream<Uint8Array>
  /** What was read of it before; null for nothing. */
  readonly front: Uint8Array | null
  /** As it is declared, or null. */
  readonly length: number | null
  /** What is left of the time that it may take, in milliseconds; null for all of it. */
  readonly leftMs: number | null
}

/** Judges and rewrites a JSON body: its model, and usage in its stream. Up to the route's bound it is read first. */
export function inspectJson(inspection: Inspection, found: FoundBody): Awaitable<Outcome<InspectedBody>> {
  const { stream, length } = found
  const { bufferBytes } = inspection.route.resend
  if (length === null && bufferBytes > 0) return inspectUndeclared(inspection, stream)
  return length !== null && length <= bufferBytes
    ? inspectDeclared(inspection, stream, length)
    : inspectFlowing(inspection, { stream, length, front: null, leftMs: null })
}

async function inspectDeclared(
  inspection: Inspection,
  stream: ReadableStream<Uint8Array>,
  length: number,
): Promise<Outcome<InspectedBody>> {
  const { x, route, clock } = inspection
  const bytes = await readWhole(stream, length, { patienceMs: route.bodyMs, signal: x.signal, clock })
  return isRefusal(bytes) ? bytes : inspectWhole(inspection, bytes)
}

/** What a body does not say of its length must not keep it from being known: a short one is like any other. */
async function inspectUndeclared(
  inspection: Inspection,
  stream: ReadableStream<Uint8Array>,
): Promise<Outcome<InspectedBody>> {
  const { x, route, clock } = inspection
  const { bodyBytesMax: bytesMax, bodyMs } = route
  const startedMs = clock.nowMs()
  const wholeMax = Math.min(route.resend.bufferBytes, longBytes, bytesMax)
  const front = await readFront(stream, wholeMax, { patienceMs: bodyMs, signal: x.signal, clock })
  if (isRefusal(front)) return front
  if (front.isWhole) return inspectWhole(inspection, front.bytes)
  if (front.bytes.length > bytesMax) {
    stream.cancel().catch(() => {})
    return { refused: 'body_too_large', bytesMax }
  }
  const leftMs = Math.max(0, bodyMs - (clock.nowMs() - startedMs))
  return inspectFlowing(inspection, { stream, front: front.bytes, length: null, leftMs })
}

function inspectWhole(inspection: Inspection, bytes: Uint8Array): Outcome<InspectedBody> {
  const scan = scanBody(bytes)
  return isRefusal(scan) ? scan : writtenFor(inspection, bytes, scan)
}

function writtenFor(inspection: Inspection, bytes: Uint8Array, scan: BodyScan): Outcome<InspectedBody> {
  const judged = new JudgedModel(inspection)
  const plan = planFor(inspection, judged)
  const rewritten = rewriteBody(bytes, scan, plan)
  if (isRefusal(rewritten)) return rewritten
  const facts = factsOf(judged, plan, scan.facts, bytes.length)
  const forecast = inspection.generates ? forecastOf(inspection, facts, scan.facts) : null
  return {
    sendable: sendableBytes(rewritten),
    llm: { forecast, facts: () => facts },
    again: (other) => writtenFor(other, bytes, scan),
  }
}

function forecastOf(
  { path }: Inspection,
  { model, bodyBytes, stream }: LlmFacts,
  body: BodyFacts,
): LlmForecast {
  return {
    model,
    otherModels: [],
    bodyBytes: Math.min(bodyBytes, longBytes),
    outputTokensMax: putsOutNoText(path) ? 0 : outputTokensMax(body),
    choices: choicesAsked(body),
    stream,
    bodyRead: true,
  }
}

function inspectFlowing(inspection: Inspection, body: FlowingBody): InspectedBody {
  const { stream, front, length, leftMs } = body
  const judged = new JudgedModel(inspection)
  const plan = planFor(inspection, judged)
  const rewriter = new BodyRewriter(plan)
  let seen: BodyFacts | null = null
  let carried: CarriedBody | null = null
  const end = () => {
    const ended = rewriter.end()
    if (!isRefusal(ended)) seen = ended.facts
    return ended
  }
  const begun = front === null ? stream : { stream, front }
  const carry = () =>
    (carried = carryPieces(begun, inspection.route.bodyBytesMax, {
      push: (chunk) => rewriter.push(chunk),
      end,
    }))
  const facts = () => factsOf(judged, plan, seen, length ?? carried?.bytes() ?? 0)
  const forecast = forecastUnread(
    inspection,
    length ?? Math.max(undeclaredBytes, front?.length ?? 0),
    longBytes,
  )
  const again = (other: Inspection) => inspectFlowing(other, body)
  return { sendable: sendable(carry, leftMs), llm: { forecast, facts }, again }
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
function mayAskForUsage({ path, route, includeUsage }: Inspection): boolean {
  if (route.dialect !== 'openai' || route.streams.usage === 'never') return false
  return includeUsage && path.endsWith('/completions')
}
