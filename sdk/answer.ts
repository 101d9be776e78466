import { answerText } from "./answer-bytes.js"
import type { Answer, Call } from "./call.js"
import { errorCodes, type ErrorCode } from "./contract/error-codes.js"
import { readEvents } from "./event-stream.js"
import { failure, type Failure } from "./results.js"
import { hasFields } from "./shapes.js"
import type { ErrorBody } from "./wire-types.js"

/**
 * What an answer means: the JSON of a success that `isAnswer` accepts, or the failure that it tells of.
 * @throws what `onEvent` throws
 */
export async function readAnswer<T>(
  response: Response,
  isAnswer: (body: unknown) => body is T,
  server: string,
  onEvent?: Call["onEvent"],
): Promise<Answer<T>> {
  const answer = await readJson(response, server, onEvent)
  if (!answer.success) return answer
  const { body, status } = answer
  return isAnswer(body) ? { success: true, body, status } : stranger(server, status)
}

/** The failure that an answer tells of which is not the success that was hoped for. */
export async function readFailure(response: Response, server: string): Promise<Failure> {
  return told(parseJson(await answerText(response))) ?? untold(response.status, server)
}

async function readJson(
  response: Response,
  server: string,
  onEvent: Call["onEvent"],
): Promise<Answer<unknown>> {
  if (!response.ok) return readFailure(response, server)
  if (response.headers.get("content-type")?.includes("text/event-stream") === true) {
    return readOutcome(response, server, onEvent)
  }
  return { success: true, body: parseJson(await answerText(response)), status: response.status }
}

/** What an answer of events ends with. It is read to its end, so that its connection can be used again. */
async function readOutcome(
  response: Response,
  server: string,
  onEvent: Call["onEvent"],
): Promise<Answer<unknown>> {
  let outcome: Answer<unknown> | undefined
  for await (const { event, data } of readEvents(response)) {
    const body = parseJson(data)
    if (event === "result") outcome = { success: true, body, status: response.status }
    else if (event === "error") outcome = told(body) ?? stranger(server, response.status)
    else await onEvent?.(event, body)
  }
  return (
    outcome ??
    failure(
      "unavailable",
      `${server} ended the connection before the result; what was asked for may have been done`,
    )
  )
}

/** The failure that the server tells of, with a code that this version may not know taken for `internal`. */
export function told(body: unknown): Failure | undefined {
  if (!hasFields<Pick<ErrorBody, "error">>(body, { error: "string" })) return undefined
  const { code, field, stdout, stderr } = body as Partial<Record<keyof ErrorBody, unknown>>
  return {
    ...failure(isErrorCode(code) ? code : "internal", body.error),
    ...(typeof field === "string" && { field }),
    ...(typeof stdout === "string" && { stdout }),
    ...(typeof stderr === "string" && { stderr }),
  }
}

function untold(status: number, server: string): Failure {
  return status === 502 || status === 503 || status === 504
    ? failure(
        "unavailable",
        `What stands before ${server} answers ${status}: the server behind it cannot be reached`,
      )
    : stranger(server, status)
}

/** An answer that no OpenSandbox server of this version gives. */
function stranger(server: string, status: number): Failure {
  return failure(
    "internal",
    `${server} answered ${status} in a form that is not known here; is it an OpenSandbox server of this version?`,
  )
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(errorCodes, code)
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
