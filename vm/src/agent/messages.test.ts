import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { z } from "zod"
import { channels, frameRules, frameTypes, limits, magic, protocolVersion } from "./frame.js"
import * as messages from "./messages.js"

const schema = JSON.parse(
  readFileSync(new URL("../../../agent/protocol.schema.json", import.meta.url), "utf8"),
) as {
  frames: Record<string, { type: number; minPayload: number; maxPayload: number; onStream: boolean }>
  $defs: Record<string, unknown>
} & Record<string, unknown>

it("the numbers are those of the committed schema", () => {
  expect(schema).toMatchObject({
    protocol: protocolVersion,
    magic,
    limits: {
      header: limits.header,
      inputWindow: limits.inputWindow,
      outputWindow: limits.outputWindow,
      streams: limits.streams,
    },
    channels,
  })
  const types = Object.entries(schema.frames).map(([name, { type }]) => [name, type])
  expect(Object.fromEntries(types)).toEqual(frameTypes)
  const rules = Object.entries(schema.frames).map(([name, { minPayload, maxPayload, onStream }]) => [
    name,
    { min: minPayload, max: maxPayload, onStream },
  ])
  expect(Object.fromEntries(rules)).toEqual(frameRules)
})

it("the messages are those of the committed schema", () => {
  const ours = Object.entries(messages).map(([name, message]) => {
    const { $schema, ...definition } = z.toJSONSchema(message)
    expect($schema).toBe(schema["$schema"])
    return [name, definition]
  })
  expect(Object.fromEntries(ours)).toEqual(schema.$defs)
})
