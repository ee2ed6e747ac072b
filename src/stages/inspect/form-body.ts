import { multipartBoundary } from '../../core/llm/multipart-headers.ts'
import { MultipartRewriter } from '../../core/llm/multipart-rewriter.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import { carryPieces } from './carry-body.ts'
import { forecastUnread } from './forecast.ts'
import type { InspectedBody, Inspection } from './inspect.ts'
import { JudgedModel } from './judged-model.ts'
import { sendable, type FoundBody } from './request-body.ts'

/** Forms carry files; what text they have is short. */
const textBytesMax = 16_384

/** Judges and rewrites the model of a form (`multipart/form-data`, RFC 7578) on its way. */
export function inspectForm(inspection: Inspection, { stream, length }: FoundBody): Outcome<InspectedBody> {
  const boundary = multipartBoundary(inspection.x.request.headers.get('content-type') ?? '')
  if (isRefusal(boundary)) return boundary
  const judged = new JudgedModel(inspection)
  const rewriter = new MultipartRewriter(boundary, new Map([['model', (value) => judged.judge(value)]]))
  const carried = carryPieces(stream, inspection.route.bodyBytesMax, rewriter)
  const facts = () => ({
    asked: judged.asked,
    model: judged.model,
    stream: false,
    askedForUsage: false,
    bodyBytes: length ?? carried.bytes(),
  })
  const forecast = forecastUnread(inspection, length, textBytesMax)
  return { sendable: sendable(carried), llm: { forecast, facts } }
}
