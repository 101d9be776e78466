// @ts-check
// Brings back the whole machine: a web server and a Python session answer again after everything was broken.
// OPENSANDBOX_API_KEY holds the key; OPENSANDBOX_BASE_URL the server's address, when it is not http://localhost:4000.
import { Client, unwrap } from "opensandbox"

const client = new Client()
const { sandbox } = unwrap(await client.create("whole-machine"))
try {
  unwrap(await sandbox.files.write("index.html", "<h1>It is served</h1>\n"))
  const { process: server } = unwrap(await sandbox.start("python3 -m http.server 8000"))
  unwrap(await sandbox.waitForPort(8000))
  const { process: python } = unwrap(await sandbox.start("python3 -iu"))
  unwrap(await python.stdin.write("answer = 6 * 7\n"))
  unwrap(await sandbox.snapshot("all-runs", { memory: true }))

  await server.kill("SIGKILL")
  await python.kill("SIGKILL")
  unwrap(await sandbox.run("rm -rf /workspace/* /usr/lib/python3*"))
  console.log("the session is over:", await python.wait())

  const { degraded } = unwrap(await sandbox.restore("all-runs"))
  if (degraded !== undefined) throw new Error(degraded)

  const page = unwrap(await sandbox.run("curl -sS http://127.0.0.1:8000/"))
  console.log("the web server:", page.stdout.trim())
  const { process: session } = unwrap(await sandbox.attach(python.pid))
  unwrap(await session.stdin.write("print('the answer is', answer)\n"))
  let printed = ""
  for await (const text of session.stdout) {
    printed += text
    if (printed.includes("\n")) break
  }
  console.log("the Python session:", printed.trim())
} finally {
  const destroyed = await sandbox.destroy()
  if (!destroyed.success) console.error(destroyed.error)
}
