package command

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// openTerminal makes a pseudo terminal: the side that the agent reads and writes, and the command's side.
func openTerminal(size protocol.Size) (master *os.File, slave int, err error) {
	fd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, -1, &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	unlock, number := int32(0), uint32(0)
	if err = linux.IoctlPointer(fd, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)); err == nil {
		err = linux.IoctlPointer(fd, syscall.TIOCGPTN, unsafe.Pointer(&number))
	}
	if err == nil {
		err = resizeTerminal(fd, size)
	}
	if err == nil {
		path := "/dev/pts/" + strconv.Itoa(int(number))
		slave, err = syscall.Open(path, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	}
	if err != nil {
		syscall.Close(fd)
		return nil, -1, err
	}
	return os.NewFile(uintptr(fd), "/dev/ptmx"), slave, nil
}

func resizeTerminal(fd int, size protocol.Size) error {
	window := struct{ rows, cols, width, height uint16 }{rows: size.Rows, cols: size.Cols}
	return linux.IoctlPointer(fd, syscall.TIOCSWINSZ, unsafe.Pointer(&window))
}
