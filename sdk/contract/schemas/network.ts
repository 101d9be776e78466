import { z } from "zod"
import { requestBody } from "./rules.js"

const networkRule = '"network" must be "none", "internet" or {"allow": ["host or CIDR[:port]", ...]}'
const allowRule = '"allow" must be a list of 1 to 100 hosts or CIDRs, each with ":port" if need be'

export const networkPolicy = z
  .union(
    [
      z.enum(["none", "internet"]),
      requestBody(
        {
          allow: z
            .array(
              z.string({ error: allowRule }).min(1, { error: allowRule }).max(300, { error: allowRule }),
              {
                error: allowRule,
              },
            )
            .min(1, { error: allowRule })
            .max(100, { error: allowRule })
            .describe(
              "What may be reached: names of hosts, IPv4 addresses and ranges as in `192.0.2.0/24`; with `:443` only that port.",
            ),
        },
        "the network",
      ),
    ],
    { error: networkRule },
  )
  .describe(
    "What the guest may reach over TCP and UDP. `none`: it has no network. `internet`: every public IPv4 address. `allow`: " +
      "only what it lists. The server's own addresses, private, local and reserved ones are out of reach always.",
  )
