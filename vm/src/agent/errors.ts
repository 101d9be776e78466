/** The connection to the agent is gone, so no answer comes any more. The message says why. */
export class AgentGoneError extends Error {
  override name = "AgentGoneError"
}

/** The agent answered that it could not do what it was asked. */
export class AgentError extends Error {
  override name = "AgentError"
  /** One of the codes in `agent/protocol.schema.json`. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The guest sent what the protocol does not allow. Whoever sees it closes the connection. */
export class ProtocolError extends Error {
  override name = "ProtocolError"
}
