// A server that dies while a machine of its stands still: starts one in the data directory that is given, prints its id.
import { join } from "node:path"
import { currentImage, defaultCacheDirectory } from "@opensandbox/image"
import { ImageShelf, MachineRoom, newLayerId, newMemoryId } from "@opensandbox/vm"

const dataDirectory = process.argv[2] ?? ""
const cacheDirectory = defaultCacheDirectory()
const built = await currentImage(cacheDirectory)
if (built === undefined) throw new Error("there is no image: npm run setup makes it")
const image = await new ImageShelf(join(dataDirectory, "images")).add(built)
const size = { cpus: 1, memoryMiB: 512 }
const room = await MachineRoom.open({ dataDirectory, cacheDirectory, image, size, durability: "process" })
const [head, next] = [newLayerId(), newLayerId()]
await room.disk.create(head, null, image)
const machine = await room.start(room.newMachineId(), image, [head])
await room.disk.create(next, head, image)
await machine.prepare(next, room.disk.path(next))
const count =
  "(i=0; while true; do i=$((i + 1)); echo $i > /dev/shm/count; sleep 0.02; done) > /dev/null 2>&1 & until test -s /dev/shm/count; do sleep 0.01; done"
await machine.exec({ command: count, sync: true }, { onStdout: () => undefined, onStderr: () => undefined })
  .result
await room.holdTemplate(machine.template)
await machine.sealWhole(newMemoryId(), { halt: true })
process.stdout.write(machine.id, () => process.exit(0))
