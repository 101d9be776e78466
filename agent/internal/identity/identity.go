// Package identity makes a clone differ from the machine it was cloned from.
package identity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Write gives a file its content, and leaves one alone that has it already: every change costs the next snapshot.
type Write func(path string, content []byte) error

// SetHostname names the machine, for the kernel and in the files below root.
func SetHostname(root, name string, write Write) error {
	if err := syscall.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	if err := write(filepath.Join(root, "etc/hostname"), []byte(name+"\n")); err != nil {
		return err
	}
	path := filepath.Join(root, "etc/hosts")
	hosts, err := read(path)
	if err != nil {
		return err
	}
	return write(path, withHost(hosts, name))
}

// withHost makes the hosts file know the machine's own name, by the address that Debian uses for it.
func withHost(hosts []byte, name string) []byte {
	own := []byte("127.0.1.1\t" + name + "\n")
	lines := bytes.SplitAfter(hosts, []byte("\n"))
	for at, line := range lines {
		if bytes.HasPrefix(line, []byte("127.0.1.1\t")) || bytes.HasPrefix(line, []byte("127.0.1.1 ")) {
			lines[at] = own
			return bytes.Join(lines, nil)
		}
	}
	if len(hosts) > 0 && !bytes.HasSuffix(hosts, []byte("\n")) {
		lines = append(lines, []byte("\n"))
	}
	return bytes.Join(append(lines, own), nil)
}

// SetMachineID gives the machine the id that programs know it by.
func SetMachineID(root, id string, write Write) error {
	return write(filepath.Join(root, "etc/machine-id"), []byte(id+"\n"))
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

// Replace puts a new file in the place of the old one: who reads it sees either, also after a crash.
func Replace(path string, content []byte) error {
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

// Overwrite changes a file where it lies, if it is a plain one with no other name. The kernel does so by a tenth of the code
// that Replace takes, all of which is new to a machine that was just made of an instant of another one. A crash in
// the middle leaves a mixture of both names, which the next start sets right.
func Overwrite(path string, content []byte) error {
	const flags = syscall.O_RDWR | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC
	file, err := syscall.Open(path, flags, 0)
	if err != nil {
		return Replace(path, content)
	}
	defer syscall.Close(file)
	var info syscall.Stat_t
	if err := syscall.Fstat(file, &info); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFREG || info.Nlink != 1 || info.Size > maxFile {
		return Replace(path, content)
	}
	old := make([]byte, info.Size)
	if n, err := syscall.Pread(file, old, 0); err == nil && n == len(old) && bytes.Equal(old, content) {
		return nil
	}
	if _, err := syscall.Pwrite(file, content, 0); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	if len(content) == len(old) {
		return nil
	}
	if err := syscall.Ftruncate(file, int64(len(content))); err != nil {
		return &os.PathError{Op: "truncate", Path: path, Err: err}
	}
	return nil
}
