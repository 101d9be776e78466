package linux

import (
	"syscall"
	"unsafe"
)

// SetInterfaceUp makes a network interface work. Any socket will do for asking.
func SetInterfaceUp(socket int, name string) error {
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], name)
	return IoctlPointer(socket, syscall.SIOCSIFFLAGS, unsafe.Pointer(&request))
}
