import { BodyRewriter } from '../../core/llm/body-rewriter.ts'
import { choicesAsked, outputTokensMax, type BodyFacts } from '../../core/llm/body-facts.ts'
import { scanBody } from '../../core/llm/body-scan.ts'
import { putsOutNoText } from '../../core/llm/generating.ts'
import { rewriteBody, type Edit, type RewritePlan } from '../../core/llm/body-splice.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../core/outcome.ts'
import type { LlmFacts, LlmForecast } from '../../ports.ts'
import { carryPieces } from './carry-body.ts'
import { forecastUnread } from './forecast.ts'
import type { InspectedBody, Inspection } from './inspect.ts'
import { JudgedModel } from './judged-model.ts'
import { readWhole } from './read-whole.ts'
import { sendable, sendableBytes, type FoundBody } from './request-body.ts'

/** Up to this length a body is read before the upstream is called; above, it is rewritten on its way. */
const wholeBytesMax = 262_144

/** Judges and rewrites a JSON body: its model, and usage in its stream. */
export function inspectJson(inspection: Inspection, found: FoundBody): Awaitable<Outcome<InspectedBody>> {
  const { length } = found
  return length !== null && length <= wholeBytesMax
    ? inspectWhole(inspection, found.stream, length)
    : inspectFlowing(inspection, found)
}

async function inspectWhole(
  inspection: Inspection,
  stream: ReadableStream<Uint8Array>,
  length: number,
): Promise<Outcome<InspectedBody>> {
  const { x, route, clock } = inspection
  const bytes = await readWhole(stream, length, { patienceMs: route.bodyMs, clock })
  // A client that has left cannot be told what was wrong with its body.
  if (isRefusal(bytes)) return x.signal.aborted ? { refused: 'client_left' } : bytes
  const scan = scanBody(bytes)
  if (isRefusal(scan)) return scan
  const judged = new JudgedModel(inspection)
  const plan = planFor(inspection, judged)
  const rewritten = rewriteBody(bytes, scan, plan)
  if (isRefusal(rewritten)) return rewritten
  const facts = factsOf(judged, plan, scan.facts, length)
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
  }
}

function inspectFlowing(inspection: Inspection, { stream, length }: FoundBody): InspectedBody {
  const judged = new JudgedModel(inspection)
  const plan = planFor(inspection, judged)
  const rewriter = new BodyRewriter(plan)
  let seen: BodyFacts | null = null
  const carried = carryPieces(stream, inspection.route.bodyBytesMax, {
    push: (chunk) => rewriter.push(chunk),
    end: () => {
      const ended = rewriter.end()
      if (!isRefusal(ended)) seen = ended.facts
      return ended
    },
  })
  const facts = () => factsOf(judged, plan, seen, length ?? carried.bytes())
  const forecast = forecastUnread(inspection, length, wholeBytesMax)
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
