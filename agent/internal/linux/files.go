package linux

import (
	"syscall"
	"unsafe"
)

// Flags of the calls below, as the kernel has them.
const (
	OPath = 0x200000

	ResolveNoMagiclinks = 0x02
	ResolveNoSymlinks   = 0x04
	ResolveInRoot       = 0x10
)

// CloneMount gives the mount at path, without what is mounted on it, as a directory that no path leads to.
func CloneMount(path string) (int, error) {
	const clone = 1
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	here := AtFdcwd
	fd, _, errno := syscall.Syscall(sysOpenTree, uintptr(here), uintptr(unsafe.Pointer(name)), clone|syscall.O_CLOEXEC)
	return int(fd), result(errno)
}

// OpenResolving opens a path below the directory fd; resolve says what is done about the links on its way.
func OpenResolving(directory int, path string, flags int, resolve uint64) (int, error) {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	how := struct{ flags, mode, resolve uint64 }{uint64(flags | syscall.O_CLOEXEC), 0, resolve}
	for {
		fd, _, errno := syscall.Syscall6(sysOpenat2, uintptr(directory), uintptr(unsafe.Pointer(name)),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		// The kernel could not be sure that a rename meanwhile did not lead out of the directory.
		if errno != syscall.EAGAIN && errno != syscall.EINTR {
			return int(fd), result(errno)
		}
	}
}

// Lstatat says what the directory fd has by that name.
func Lstatat(directory int, name string) (syscall.Stat_t, error) {
	var info syscall.Stat_t
	path, err := syscall.BytePtrFromString(name)
	if err != nil {
		return info, err
	}
	_, _, errno := syscall.Syscall6(sysFstatat, uintptr(directory), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&info)), AtSymlinkNofollow, 0, 0)
	return info, result(errno)
}

// Readlinkat gives the target of a symbolic link in the directory fd.
func Readlinkat(directory int, name string) (string, error) {
	path, err := syscall.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	target := make([]byte, syscall.PathMax)
	n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(directory), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&target[0])), uintptr(len(target)), 0, 0)
	if errno != 0 {
		return "", errno
	}
	return string(target[:n]), nil
}

// HasAttribute says whether the file fd has an extended attribute.
func HasAttribute(fd int, name string) (bool, error) {
	attribute, err := syscall.BytePtrFromString(name)
	if err != nil {
		return false, err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_FGETXATTR, uintptr(fd), uintptr(unsafe.Pointer(attribute)), 0, 0, 0, 0)
	if errno == syscall.ENODATA || errno == syscall.ENOTSUP {
		return false, nil
	}
	return errno == 0, result(errno)
}
