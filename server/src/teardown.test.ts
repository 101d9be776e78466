import { expect, it } from "vitest"
import { Teardown } from "./teardown.js"

it("undoes everything once, last first, even when something cannot be undone", async () => {
  const undone: string[] = []
  const teardown = new Teardown()
  teardown.add(() => undone.push("first"))
  teardown.add(() => Promise.reject(new Error("stuck")))
  teardown.add(() => undone.push("last"))

  await expect(teardown.run()).rejects.toThrow(AggregateError)
  await expect(teardown.run()).rejects.toThrow(AggregateError)

  expect(undone).toEqual(["last", "first"])
})
