import { IttyRouter } from 'itty-router/IttyRouter'
import type { IRequest } from 'itty-router'
import { eventsAnswer, jsonAnswer, problemAnswer } from './answer.ts'
import type { Answer, Exchange } from './answer.ts'
import { message, tokenCount } from './anthropic-messages.ts'
import { isRecord } from './ask.ts'
import type { Ask, Reply } from './ask.ts'
import { DEFAULT_DIRECTIVE, directiveOfModel, isFault } from './directive.ts'
import type { Directive, Fault } from './directive.ts'
import { beginExchange, directiveOfCall, plannedFailure } from './exchange.ts'
import type { Visit } from './exchange.ts'
import { modelJson, modelList } from './models.ts'
import { chatCompletion } from './openai-chat.ts'
import { embeddings } from './openai-embeddings.ts'
import { response } from './openai-responses.ts'
import { bytes, echo, redirect, replay, status } from './plain.ts'
import { sse } from './plain-events.ts'
import { badRequest, isProblem } from './problem.ts'

type Handler = (request: IRequest, visit: Visit) => Answer | Promise<Answer>
type PlainAnswer = (x: Exchange, request: IRequest) => Answer | Promise<Answer>

const router = IttyRouter<IRequest, [Visit], Answer>()

router
  .post('/v1/chat/completions', llm(chatCompletion))
  .post('/v1/messages', llm(message))
  .post('/v1/responses', llm(response))
  .post('/v1/embeddings', llm(embeddings))
  .post('/v1/messages/count_tokens', llm(tokenCount))
  .get(
    '/v1/models',
    plain((x) => jsonAnswer(x, 200, modelList(x.target.dialect))),
  )
  .get('/v1/models/:id+', oneModel)
  .all(
    '/bytes/:count',
    plain((x, request) => bytes(x, Number(request.params['count']))),
  )
  .all(
    '/status/:code',
    plain((x, request) => status(x, Number(request.params['code']))),
  )
  .all('/redirect', plain(redirect))
  .all('/sse', plain(sse))
  .post('/replay', plain(replay))
  .all('*', plain(notFound))

const answerEcho = plain(echo)

/** Answers a counted request. Echo comes before the router: a URL parser would resolve the very paths it has to show. */
export function answerVisit(visit: Visit, route: string): Answer | Promise<Answer> {
  const request = { method: visit.call.method, url: `http://mock${route}` }
  const isEcho = route === '/echo' || route.startsWith('/echo/') || route.startsWith('/anything/')
  return isEcho ? answerEcho(request as IRequest, visit) : router.fetch(request, visit)
}

function llm(reply: (ask: Ask) => Reply): Handler {
  return async (_request, visit) => {
    const body = parsedJson(await visit.call.text())
    if (!isRecord(body)) return refuse(visit, 'The body is not a JSON object.')
    const { model } = body
    if (typeof model !== 'string') return refuse(visit, 'You must provide a model parameter.', 'model')
    visit.entry.model = model
    return underDirective(visit, directiveOfModel(model), (x) => {
      const answered = reply({ body, model, directive: x.directive })
      if (isProblem(answered)) return problemAnswer(x, answered)
      if ('script' in answered) return eventsAnswer(x, answered.script)
      return { ...jsonAnswer(x, 200, answered.json), tokens: answered.tokens }
    })
  }
}

function plain(answer: PlainAnswer): Handler {
  return (request, visit) => underDirective(visit, directiveOfCall(visit.call), (x) => answer(x, request))
}

function oneModel(request: IRequest, visit: Visit): Answer | Promise<Answer> {
  const id = decoded(request.params['id'] ?? '')
  if (id === undefined) return refuse(visit, 'The model id is not percent-encoded UTF-8.', 'model')
  visit.entry.model = id
  return underDirective(visit, directiveOfModel(id), (x) =>
    jsonAnswer(x, 200, modelJson(x.target.dialect, id)),
  )
}

function underDirective(
  visit: Visit,
  directive: Directive | Fault,
  answer: (x: Exchange) => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  if (isFault(directive)) return refuse(visit, directive.fault, 'model')
  const x = beginExchange(visit, directive)
  const failure = plannedFailure(visit.state, x.directive)
  return failure === undefined ? answer(x) : problemAnswer(x, failure)
}

function refuse(visit: Visit, why: string, param: string | null = null): Answer {
  return problemAnswer(beginExchange(visit, DEFAULT_DIRECTIVE), badRequest(why, param))
}

function notFound(x: Exchange): Answer {
  const text = `Invalid URL (${x.call.method} ${x.call.path})`
  return problemAnswer(x, { status: 404, message: text, param: null, code: 'unknown_url' })
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
