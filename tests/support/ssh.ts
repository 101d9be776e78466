import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { exec, opensandbox } from "./cli.js"
import { succeeded } from "./results.js"
import type { TestServer } from "./server.js"

const common = [
  "-F/dev/null",
  "-oLogLevel=ERROR",
  "-oStrictHostKeyChecking=yes",
  "-oNumberOfPasswordPrompts=1",
  "-oConnectTimeout=30",
]

/** What OpenSSH's client needs to log in: known hosts, a key pair and a program that tells it the password. */
export class SshAccess {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Makes a key pair of its own. */
  static async make(): Promise<SshAccess> {
    const access = new SshAccess(await mkdtemp(join(tmpdir(), "osb-ssh-")))
    const { code, stderr } = await exec("ssh-keygen", [
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-f",
      access.privateKey,
    ])
    if (code !== 0) throw new Error(`ssh-keygen failed: ${stderr}`)
    const askpass = join(access.#directory, "askpass")
    await writeFile(askpass, '#!/bin/sh\necho "$TEST_PASSWORD"\n')
    await chmod(askpass, 0o700)
    return access
  }

  get privateKey(): string {
    return join(this.#directory, "id")
  }

  get publicKey(): string {
    return `${this.privateKey}.pub`
  }

  /** A file of its own, for what a test wants to write down. */
  file(name: string): string {
    return join(this.#directory, name)
  }

  /** Takes the server's host key from a port, once: it has to be the same at every later login. */
  async trust(port: number): Promise<void> {
    const { stdout } = await exec("ssh-keyscan", ["-p", String(port), "-t", "ed25519", "127.0.0.1"])
    if (!stdout.includes("ssh-ed25519")) throw new Error("the port has no ed25519 host key")
    // For every port alike: the host key is the server's.
    await writeFile(this.file("known_hosts"), stdout.replaceAll(/^\S+/gm, "opensandbox"))
  }

  /** Makes a sandbox of an API key of its own, to which the key pair may log in, and trusts its port. */
  async sandboxOf(server: TestServer, name: string): Promise<Sandbox> {
    const data = ["--data-dir", server.dataDirectory]
    const made = await opensandbox(["keys", "create", "--name", name, "--json", ...data])
    const { id, key } = JSON.parse(made.stdout) as { id: number; key: string }
    const added = await opensandbox(["keys", "add-ssh", this.publicKey, "--key", String(id), ...data])
    if (added.code !== 0) throw new Error(`keys add-ssh failed: ${added.stderr}`)
    const { sandbox } = succeeded(await server.client(key).create(name))
    await this.trust(succeeded(await sandbox.info()).vm.ssh_port)
    return sandbox
  }

  /** The options of `ssh`, `scp` and `sftp` for logging in with the key pair; none of them has a space in it. */
  options(port: number): string[] {
    return [
      ...common,
      ...this.#hosts,
      ...["-oBatchMode=yes", "-oIdentitiesOnly=yes", `-oIdentityFile=${this.privateKey}`],
      ...[`-oPort=${port}`, "-oUser=sandbox"],
    ]
  }

  /** The arguments of `ssh` for logging in with the key pair. */
  withKey(port: number, user = "sandbox"): string[] {
    return this.#arguments(port, user, ["-oBatchMode=yes", "-oIdentitiesOnly=yes", "-i", this.privateKey])
  }

  /** The arguments of `ssh` for logging in with a password. */
  withPassword(port: number): string[] {
    return this.#arguments(port, "sandbox", ["-oPubkeyAuthentication=no"])
  }

  /** The environment that makes `ssh` take this password. */
  passwordEnv(password: string): Record<string, string> {
    return { SSH_ASKPASS: this.file("askpass"), SSH_ASKPASS_REQUIRE: "force", TEST_PASSWORD: password }
  }

  async dispose(): Promise<void> {
    await rm(this.#directory, { recursive: true })
  }

  get #hosts(): string[] {
    return [`-oUserKnownHostsFile=${this.file("known_hosts")}`, "-oHostKeyAlias=opensandbox"]
  }

  /** Ends with the destination, so that a command may follow. */
  #arguments(port: number, user: string, login: string[]): string[] {
    return [...common, ...this.#hosts, ...login, "-p", String(port), "-l", user, "127.0.0.1"]
  }
}
