// An internet in a network namespace: a web server that says where it was reached, a server that sends datagrams back, and
// a name server. Arguments: the port of the web server, and for a name server `NAME=ADDRESS,ADDRESS` any number of times.
import { Buffer } from "node:buffer"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { createServer } from "node:http"

const [port = "80", ...names] = process.argv.slice(2)
const addresses = new Map(
  names.map((name) => {
    const [asked = "", answer = ""] = name.split("=")
    return [asked, answer]
  }),
)

const web = createServer(async (request, response) => {
  let bytes = 0
  for await (const piece of request) bytes += piece.length
  const size = Number(/^\/bytes\/(\d+)$/.exec(request.url ?? "")?.[1] ?? 0)
  if (size > 0) response.end(Buffer.alloc(size, "0123456789\n"))
  else response.end(`reached ${request.socket.localAddress} with ${bytes} bytes\n`)
})
await once(web.listen(Number(port), "0.0.0.0"), "listening")

const echo = createSocket("udp4")
echo.on("message", (data, { port, address }) => echo.send(data, port, address))
await once(echo.bind(Number(port), "0.0.0.0"), "listening")

if (addresses.size > 0) {
  const nameServer = createSocket("udp4")
  nameServer.on("message", (question, { port, address }) => nameServer.send(answer(question), port, address))
  await once(nameServer.bind(53, "0.0.0.0"), "listening")
}
console.log("ready")

/** @param {Buffer} question */
function answer(question) {
  let end = 12
  const labels = []
  for (let length = question.readUInt8(end); length > 0; length = question.readUInt8(end)) {
    labels.push(question.toString("latin1", end + 1, end + 1 + length))
    end += 1 + length
  }
  const found = addresses.get(labels.join(".").toLowerCase())?.split(",") ?? []
  const header = Buffer.from(question.subarray(0, 12))
  header.writeUInt16BE(found.length > 0 ? 0x8180 : 0x8183, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(found.length, 6)
  header.writeUInt32BE(0, 8)
  const records = found.map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split(".").map(Number)]),
  )
  return Buffer.concat([header, question.subarray(12, end + 5), ...records])
}
