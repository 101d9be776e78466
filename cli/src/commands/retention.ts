import type { Command } from "commander"
import type { RetentionStatus } from "opensandbox"
import { showByteSize } from "../byte-size.js"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import {
  keepDaysOption,
  keepLastOption,
  limitOrNull,
  maxSizeOption,
  quotaOption,
  retentionHelp,
  type Limit,
} from "../retention-options.js"
import { table } from "../table.js"

interface RetentionOptions extends JsonOption {
  keepLast?: Limit
  keepDays?: Limit
  maxSize?: Limit
  quota?: Limit
}

export function addRetention(program: Command, context: Context): void {
  program
    .command("retention")
    .description("show or set how many snapshots a sandbox keeps, and how much disk it may take")
    .argument("<name>", "the sandbox")
    .addOption(keepLastOption())
    .addOption(keepDaysOption())
    .addOption(maxSizeOption())
    .addOption(quotaOption())
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nWithout a limit it only shows them. With one it sets all: those left out become the server's defaults.\n" +
        retentionHelp +
        examples(
          "opensandbox retention my-box",
          "opensandbox retention my-box --keep-last 100 --quota 2G",
          "opensandbox retention my-box --keep-days none",
        ),
    )
    .action(async (name: string, options: RetentionOptions) => {
      const sandbox = context.connect().sandbox(name)
      const request = requestOf(options)
      const showOnly = Object.keys(request).length === 0
      const result = await (showOnly ? sandbox.retention() : sandbox.setRetention(request))
      conclude(context, options, result, ({ retention }) => describe(retention))
    })
}

function requestOf({ keepLast, keepDays, maxSize, quota }: RetentionOptions) {
  return {
    ...(keepLast !== undefined && { keep_last: limitOrNull(keepLast) }),
    ...(keepDays !== undefined && { keep_days: limitOrNull(keepDays) }),
    ...(maxSize !== undefined && { max_bytes: limitOrNull(maxSize) }),
    ...(quota !== undefined && { quota_bytes: limitOrNull(quota) }),
  }
}

function describe(retention: RetentionStatus): string {
  const { keep_last, keep_days, max_bytes, quota_bytes, bytes, snapshots } = retention
  return table(
    [],
    [
      ["keep last", keep_last ?? "no limit"],
      ["keep days", keep_days ?? "no limit"],
      ["max size", max_bytes === null ? "no limit" : showByteSize(max_bytes)],
      ["quota", quota_bytes === null ? "no limit" : showByteSize(quota_bytes)],
      ["in use", showByteSize(bytes)],
      ["snapshots", snapshots],
    ],
  )
}
