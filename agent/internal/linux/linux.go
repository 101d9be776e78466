// Package linux has the system calls that the syscall package lacks.
package linux

import (
	"syscall"
	"unsafe"
)

// Flags and requests of the calls below.
const (
	AtFdcwd           = -0x64
	AtSymlinkNofollow = 0x100
	AtRemovedir       = 0x200
	UmountNofollow    = 0x8

	moduleInitCompressedFile = 4
	mfdCloexec               = 1
)

// FinitModule loads the kernel module that fd holds; a compressed one is undone by the kernel itself.
func FinitModule(fd int, compressed bool) error {
	parameters := []byte{0}
	flags := uintptr(0)
	if compressed {
		flags = moduleInitCompressedFile
	}
	_, _, errno := syscall.Syscall(sysFinitModule, uintptr(fd), uintptr(unsafe.Pointer(&parameters[0])), flags)
	return result(errno)
}

// Syncfs writes all dirty pages of the file system that holds fd.
func Syncfs(fd int) error {
	_, _, errno := syscall.Syscall(sysSyncfs, uintptr(fd), 0, 0)
	return result(errno)
}

// OpenTracepointCounter counts how often the kernel passes a tracepoint on one processor, whoever makes it do so. A
// counter is read together with those of its group: leader is the group's first, or -1 to begin a group, and reading
// that gives the number of counters and then each value, as 64-bit numbers.
func OpenTracepointCounter(tracepoint uint64, processor, leader int) (int, error) {
	const (
		typeTracepoint = 2
		formatGroup    = 8
		// To be counted always or to fail on reading, never to take turns with other counters.
		pinned      = 1 << 2
		everyone    = ^uintptr(0)
		flagCloexec = 8
	)
	// The first version of the kernel's perf_event_attr, which later kernels know by its size.
	attributes := struct {
		kind, size                                     uint32
		config, samplePeriod, sampleType, format, bits uint64
		wakeup, breakpoint                             uint32
		more                                           uint64
	}{kind: typeTracepoint, size: 64, config: tracepoint, format: formatGroup}
	if leader < 0 {
		attributes.bits = pinned
	}
	fd, _, errno := syscall.Syscall6(sysPerfEventOpen, uintptr(unsafe.Pointer(&attributes)), everyone,
		uintptr(processor), uintptr(leader), flagCloexec, 0)
	return int(fd), result(errno)
}

// MemfdCreate makes a file without a name, closed on exec.
func MemfdCreate(label string) (int, error) {
	name, err := syscall.BytePtrFromString(label)
	if err != nil {
		return -1, err
	}
	fd, _, errno := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(name)), mfdCloexec, 0)
	return int(fd), result(errno)
}

// SetRealtime sets the wall clock to so many nanoseconds after the epoch.
func SetRealtime(nanoseconds int64) error {
	const clockRealtime = 0
	time := syscall.NsecToTimespec(nanoseconds)
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_SETTIME, clockRealtime, uintptr(unsafe.Pointer(&time)), 0)
	return result(errno)
}

// Ioctl makes a device request whose argument is a number.
func Ioctl(fd int, request uintptr, argument uintptr) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, argument)
	return result(errno)
}

// IoctlPointer makes a device request whose argument is memory.
func IoctlPointer(fd int, request uintptr, argument unsafe.Pointer) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
	return result(errno)
}

// Unlinkat removes a name from the directory fd.
func Unlinkat(fd int, name string, flags int) error {
	path, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_UNLINKAT, uintptr(fd), uintptr(unsafe.Pointer(path)), uintptr(flags))
	return result(errno)
}

// result avoids an error that is not nil and yet no error.
func result(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
