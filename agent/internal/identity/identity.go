// Package identity makes a clone differ from the machine it was cloned from.
package identity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"unsafe"

	"opensandbox/agent/internal/linux"
)

// OpenRandom opens the kernel's random generator. It stays open: later there may be something else by its name, which is
// the user's to give.
func OpenRandom() (*os.File, error) {
	return os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
}

// Reseed feeds the kernel's random generator and makes it use that at once.
func Reseed(random *os.File, entropy []byte) error {
	const rndAddEntropy, rndReseedCrng = 0x40085203, 0x5207
	var pool struct {
		bits, size int32
		data       [512]byte
	}
	n := copy(pool.data[:], entropy)
	pool.bits, pool.size = int32(n*8), int32(n)
	if err := linux.IoctlPointer(int(random.Fd()), rndAddEntropy, unsafe.Pointer(&pool)); err != nil {
		return fmt.Errorf("add entropy: %w", err)
	}
	if err := linux.Ioctl(int(random.Fd()), rndReseedCrng, 0); err != nil {
		return fmt.Errorf("reseed: %w", err)
	}
	return nil
}

// SetHostname names the machine, for the kernel and in the files below root.
func SetHostname(root, name string) error {
	if err := syscall.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	if err := replace(filepath.Join(root, "etc/hostname"), []byte(name+"\n")); err != nil {
		return err
	}
	path := filepath.Join(root, "etc/hosts")
	hosts, err := read(path)
	if err != nil {
		return err
	}
	return replace(path, withHost(hosts, name))
}

var ownHost = regexp.MustCompile(`(?m)^127\.0\.1\.1\s.*\n?`)

// withHost makes the hosts file know the machine's own name, by the address that Debian uses for it.
func withHost(hosts []byte, name string) []byte {
	line := []byte("127.0.1.1\t" + name + "\n")
	if at := ownHost.FindIndex(hosts); at != nil {
		return append(append(append([]byte(nil), hosts[:at[0]]...), line...), hosts[at[1]:]...)
	}
	if len(hosts) > 0 && !bytes.HasSuffix(hosts, []byte("\n")) {
		hosts = append(hosts, '\n')
	}
	return append(hosts, line...)
}

// SetMachineID gives the machine the id that programs know it by.
func SetMachineID(root, id string) error {
	return replace(filepath.Join(root, "etc/machine-id"), []byte(id+"\n"))
}

const maxFile = 64 * 1024

// read reads a small file. One that is missing is empty; anything but a plain file is an error, for the disk is
// the user's, who may have put there what never ends.
func read(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("not a small plain file")}
	}
	return os.ReadFile(path)
}

// replace gives a file its content, and leaves one alone that has it already: every change costs the next snapshot.
func replace(path string, content []byte) error {
	if old, err := read(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	next := path + ".opensandbox"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.WriteFile(next, content, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}
