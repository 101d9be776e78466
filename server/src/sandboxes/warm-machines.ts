import { hasSpace } from "../storage/space.js"
import type { SandboxMeans } from "./means.js"

/**
 * Keeps machines ready for the sandboxes that start next. None may be there yet that the room does not know: a recovery
 * would end it.
 *
 * @param size How many at most; 0 for none.
 */
export async function keepMachinesWarm(
  size: number,
  { room, dataDirectory, metrics, log }: Pick<SandboxMeans, "room" | "dataDirectory" | "metrics" | "log">,
): Promise<void> {
  metrics.refreshBy(() => {
    metrics.warmMachines.set(room.warmMachines)
  })
  await room.keepWarm({
    size,
    hasSpace: () => hasSpace(dataDirectory),
    onStart: (from) => {
      metrics.machineStarts.inc({ from })
    },
    onTrouble: (error) => {
      log.warn(
        { err: error },
        "a machine could not be kept ready, or not be used; sandboxes start without it",
      )
    },
  })
}
