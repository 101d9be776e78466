import { allowRules, NetworkPolicyError } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type { SandboxRow } from "../store/tables.js"
import type { VMInfo } from "./sandbox-service.js"

type NetworkPolicy = VMInfo["network"]

/** What a sandbox may reach, as it is recorded. */
export function networkOf({ network }: Pick<SandboxRow, "network">): NetworkPolicy {
  return JSON.parse(network) as NetworkPolicy
}

/** @throws Failure `invalid_request` when a list has an entry that is not understood, or could never be reached. */
export function requireUsable(policy: NetworkPolicy): void {
  try {
    if (typeof policy !== "string") allowRules(policy.allow)
  } catch (error) {
    if (!(error instanceof NetworkPolicyError)) throw error
    throw new Failure("invalid_request", `${error.message}.`, { field: "network" })
  }
}
