package linux

import (
	"syscall"
	"unsafe"
)

// Flags of the calls below.
const (
	// OTmpfile makes a file without a name in the directory that is opened.
	OTmpfile = 0x400000 | syscall.O_DIRECTORY

	atEmptyPath     = 0x1000
	renameNoreplace = 1
)

// NameFile gives a name to the open file fd, which has none yet.
func NameFile(fd int, path string) error {
	empty, name := []byte{0}, []byte(path+"\x00")
	here := AtFdcwd
	_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(here),
		uintptr(unsafe.Pointer(&name[0])), atEmptyPath, 0)
	return result(errno)
}

// RenameNew renames, and fails with EEXIST when there is something by the new name.
func RenameNew(from, to string) error {
	old, err := syscall.BytePtrFromString(from)
	if err != nil {
		return err
	}
	name, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	here := AtFdcwd
	_, _, errno := syscall.Syscall6(sysRenameat2, uintptr(here), uintptr(unsafe.Pointer(old)), uintptr(here),
		uintptr(unsafe.Pointer(name)), renameNoreplace, 0)
	return result(errno)
}
