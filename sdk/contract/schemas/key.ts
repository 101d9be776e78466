import { z } from "zod"
import { createdAt, number, requestBody } from "./rules.js"

const nameRule = '"name" must be a string of 1 to 64 characters that is not blank'
const idRule = '"id" must be the number of a key'

export const keyParams = z.object({
  id: z
    .string({ error: idRule })
    .regex(/^[1-9][0-9]{0,14}$/, { error: idRule })
    .transform(Number)
    .describe("The key's number."),
})

export const createKeyRequest = requestBody({
  name: z
    .string({ error: nameRule })
    .max(64, { error: nameRule })
    .regex(/\S/, { error: nameRule })
    .describe("What the key is for, 1 to 64 characters."),
}).describe("The key to make.")

const keyFields = {
  id: number.describe("The key's number."),
  name: z.string().describe("What the key is for."),
  role: z
    .enum(["admin", "user"])
    .describe("`user`: sees only its own sandboxes. `admin`: may manage keys as well."),
  created_at: createdAt,
}

export const keyInfo = z
  .object({ ...keyFields, prefix: z.string().describe("How the key begins, to tell keys apart.") })
  .describe("An API key, without its secret.")

export const newKey = z
  .object({ ...keyFields, key: z.string().describe("The key itself. This is the only time it is shown.") })
  .describe("A new API key.")

export const keyList = z
  .object({ keys: z.array(keyInfo).describe("The keys that are not revoked.") })
  .describe("API keys.")
