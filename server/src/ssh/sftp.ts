const program = "/usr/lib/openssh/sftp-server"

/** What an SFTP session runs: the server that Debian has for it, so that files are written by what runs in the guest. */
export const sftpCommand =
  `[ -x ${program} ] || { echo 'opensandbox: the image of this sandbox has no SFTP server. Make a new sandbox on a ` +
  `server with a newer image, or install the package openssh-sftp-server in it.' >&2; exit 127; }; exec ${program}`
