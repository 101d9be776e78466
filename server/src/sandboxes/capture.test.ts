import { expect, it } from "vitest"
import { Failure } from "../failure.js"
import { Capture } from "./capture.js"

const never = () => new Promise<void>(() => undefined)

it("keeps each stream up to its bound, and tells all of it to whoever listens", async () => {
  const heard: string[] = []
  const hear = (chunk: Uint8Array) => {
    heard.push(Buffer.from(chunk).toString())
  }
  const capture = new Capture(3, { onStdout: hear, onStderr: hear })
  await capture.handlers.onStdout(Buffer.from("out"))
  await capture.handlers.onStderr(Buffer.from("error"))

  expect(heard).toEqual(["out", "error"])
  expect(capture.answer("utf8")).toEqual({
    stdout: "out",
    stderr: "err",
    stdoutTruncated: false,
    stderrTruncated: true,
  })
})

it("waits for the listener until it is released, and not after", async () => {
  const capture = new Capture(100, { onStdout: never, onStderr: never })
  const waiting = Promise.all([
    capture.handlers.onStdout(Buffer.from("a")),
    capture.handlers.onStderr(Buffer.from("b")),
  ])
  capture.release()
  await waiting
  await capture.handlers.onStdout(Buffer.from("c"))

  expect(capture.answer("utf8")).toMatchObject({ stdout: "ac", stderr: "b" })
})

it("goes on without a listener that fails", async () => {
  const fail = () => Promise.reject(new Error("no"))
  const capture = new Capture(100, { onStdout: fail, onStderr: fail })
  await capture.handlers.onStdout(Buffer.from("a"))

  expect(capture.answer("utf8")).toMatchObject({ stdout: "a" })
})

it("adds what was printed to a failure, as text, and to nothing else", async () => {
  const capture = new Capture(100, undefined)
  await capture.handlers.onStdout(Uint8Array.of(0x61, 0xff))
  const failure = capture.addTo(new Failure("timeout", "Late.", { field: "x" }))

  expect(failure).toMatchObject({
    code: "timeout",
    message: "Late. Printed so far: a\ufffd",
    details: { field: "x", stdout: "a\ufffd", stderr: "" },
  })
  expect(capture.addTo("else")).toBe("else")
})
