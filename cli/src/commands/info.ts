import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { showDuration } from "../duration.js"
import { examples } from "../examples.js"
import { table } from "../table.js"

export function addInfo(program: Command, context: Context): void {
  program
    .command("info")
    .description("show a sandbox's state and ports")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox info my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).info()
      conclude(context, options, result, ({ vm }) =>
        table(
          [],
          [
            ["name", vm.name],
            ["status", vm.status],
            ["agent", vm.agentHealthy ? "healthy" : "silent"],
            ["accelerator", vm.accelerator === "tcg" ? "tcg (no isolation guarantee)" : vm.accelerator],
            ["processors", String(vm.cpus)],
            ["memory", `${vm.memory_mb} MiB`],
            ["disk", `${vm.disk_gb} GiB`],
            ["network", typeof vm.network === "string" ? vm.network : vm.network.allow.join(" ")],
            ["snapshots", vm.snapshots],
            ["idle timeout", vm.idle_timeout === null ? "never" : showDuration(vm.idle_timeout)],
            ["destroyed at", vm.expires_at ?? "never"],
            ...(vm.degraded === null ? [] : [["degraded", vm.degraded]]),
            ["api port", vm.agent_port],
            ["ssh port", vm.ssh_port],
            ["created", vm.created_at],
          ],
        ),
      )
    })
}
