import { z } from "zod"
import { queryParameters, snapshotReference } from "./rules.js"

const imageRule = '"image" must be true or false'

export const exportQuery = queryParameters({
  snapshot: snapshotReference("snapshot")
    .optional()
    .describe("The snapshot to export, by its name or label; the present when left out."),
  image: z
    .enum(["true", "false"], { error: imageRule })
    .default("true")
    .transform((text) => text === "true")
    .describe(
      "Whether the archive carries the guest's image, for servers that do not have it. Default true.",
    ),
})
