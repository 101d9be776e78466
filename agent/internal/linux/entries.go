package linux

import (
	"syscall"
	"unsafe"
)

// Linkat gives the file that the directory has by that name a second name, in another directory. Links are not followed.
func Linkat(directory int, name string, other int, second string) error {
	from, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(second)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, uintptr(directory), uintptr(unsafe.Pointer(from)),
		uintptr(other), uintptr(unsafe.Pointer(to)), 0, 0)
	return result(errno)
}

// Symlinkat makes a symbolic link in the directory.
func Symlinkat(target string, directory int, name string) error {
	to, err := syscall.BytePtrFromString(target)
	if err != nil {
		return err
	}
	from, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_SYMLINKAT, uintptr(unsafe.Pointer(to)), uintptr(directory),
		uintptr(unsafe.Pointer(from)))
	return result(errno)
}

// SetModified sets when what the directory has by that name was last changed, of a link the link's own time.
func SetModified(directory int, name string, modified syscall.Timespec) error {
	const omit = 0x3ffffffe
	path, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	times := [2]syscall.Timespec{{Nsec: omit}, modified}
	_, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, uintptr(directory), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&times)), AtSymlinkNofollow, 0, 0)
	return result(errno)
}
