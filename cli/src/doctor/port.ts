import { failed, ok, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"

export async function checkPort(
  probe: Pick<HostProbe, "listenError" | "serverAnswers">,
  host: string,
  port: number,
): Promise<Finding> {
  const name = "port"
  const address = `${host}:${port}`
  const error = await probe.listenError(host, port)
  if (error === undefined) return ok(name, `${address} is free`)
  if (error !== "EADDRINUSE") {
    return failed(
      name,
      `${address} cannot be listened on (${error})`,
      "Choose another with --host and --port.",
    )
  }
  return (await probe.serverAnswers(host, port))
    ? ok(name, `an OpenSandbox server answers on ${address}`)
    : failed(name, `another program listens on ${address}`, "End it, or choose another port with --port.")
}
