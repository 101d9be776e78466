/** The domain of which every host name leads to the host itself. */
const localDomain = "localhost"

/**
 * Where a server in a sandbox is reached: `http://8080-my-sandbox.localhost:4000/`.
 *
 * @param baseUrl The server's address. The URL has its scheme and port, and its host name as the domain; `localhost` where
 *   it names the host itself.
 * @param domain What the server takes for the domain, where that is another one (see OPENSANDBOX_DOMAIN).
 * @throws TypeError where that makes no host name.
 */
export function portUrl(baseUrl: string, name: string, port: number, domain?: string): string {
  const url = new URL(baseUrl)
  const own = /^(localhost|127(\.[0-9]+){3}|\[::1\]|0\.0\.0\.0|\[::\])$/.test(url.hostname)
    ? localDomain
    : url.hostname
  const host = `${port}-${name}.${domain ?? own}`
  url.hostname = host
  // An address has no names below it.
  if (url.hostname !== host) {
    throw new TypeError(
      `There is no host name ${host}: set OPENSANDBOX_DOMAIN to the domain that the server has`,
    )
  }
  return `${url.origin}/`
}
