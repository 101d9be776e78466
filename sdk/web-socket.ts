/** What the SDK needs of a WebSocket: browsers and Node from 22 on have one that fits, and so has the package `ws`. */
export interface WebSocketLike {
  binaryType: string
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(): void
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: unknown) => void): void
}

/** A class of WebSockets. */
export type WebSocketConstructor = new (url: string) => WebSocketLike

/** The runtime's own, where it has one. */
export const ownWebSocket = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket
