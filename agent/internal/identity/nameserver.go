package identity

import "path/filepath"

// SetNameServer says in the file below root whom programs ask for the addresses of names.
func SetNameServer(root, address string) error {
	return Replace(filepath.Join(root, "etc/resolv.conf"), []byte("nameserver "+address+"\n"))
}
