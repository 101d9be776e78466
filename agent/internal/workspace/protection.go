package workspace

import (
	"syscall"
	"unsafe"

	"opensandbox/agent/internal/linux"
)

// unprotectEntry takes the attributes away from a file or directory, by its name.
func unprotectEntry(directory int, name string) {
	look, err := syscall.Openat(directory, name, linux.OPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(look)
	var info syscall.Stat_t
	if syscall.Fstat(look, &info) != nil {
		return
	}
	// To open a device or a pipe may have effects.
	if kind := info.Mode & syscall.S_IFMT; kind != syscall.S_IFREG && kind != syscall.S_IFDIR {
		return
	}
	if fd, err := openEntry(directory, name, 0); err == nil {
		unprotect(fd)
		syscall.Close(fd)
	}
}

// unprotect takes away the attributes immutable and append-only, which stop even root.
func unprotect(fd int) {
	const (
		getFlags, setFlags = 0x80086601, 0x40086602
		protection         = 0x10 | 0x20
	)
	flags := int32(0)
	if linux.IoctlPointer(fd, getFlags, unsafe.Pointer(&flags)) == nil && flags&protection != 0 {
		flags &^= protection
		linux.IoctlPointer(fd, setFlags, unsafe.Pointer(&flags))
	}
}
