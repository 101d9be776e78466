package command

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// Output is what a command prints on one pipe or terminal.
type Output struct {
	file     *os.File
	terminal bool
}

// A terminal of Linux holds less than this on its way from the command to the agent: what a background process
// prints beyond it came after the shell's exit.
const terminalHolds = 64 * 1024

// Copy hands what is printed to sink, until all who could print are gone, or until the shell has exited (Finish)
// and what was in the pipe then has been handed over. A background process may go on printing: that is read
// and thrown away, so that it neither blocks nor dies of it. The same happens when sink fails.
func (o *Output) Copy(sink func([]byte) error) {
	buffer := make([]byte, protocol.MaxData)
	err := o.copyFrom(o.read, buffer, sink, -1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = o.copyRest(buffer, sink)
	}
	if errors.Is(err, errEnded) {
		o.file.Close()
		return
	}
	go o.discard()
}

// Finish tells Copy that the shell has exited.
func (o *Output) Finish() {
	o.file.SetReadDeadline(time.Unix(1, 0))
}

// copyRest hands over what was printed before the shell exited and is still on its way.
func (o *Output) copyRest(buffer []byte, sink func([]byte) error) error {
	if o.terminal {
		return o.copyFrom(o.readNow, buffer, sink, terminalHolds)
	}
	o.file.SetReadDeadline(time.Time{})
	return o.copyFrom(o.file.Read, buffer, sink, o.buffered())
}

var (
	errEnded   = errors.New("all who could print are gone")
	errNothing = errors.New("nothing is printed yet")
)

// copyFrom hands over at most limit bytes (any number when it is negative) and says why it stopped: nil at the limit,
// errEnded, errNothing, os.ErrDeadlineExceeded, or sink's own error.
func (o *Output) copyFrom(read func([]byte) (int, error), buffer []byte, sink func([]byte) error, limit int) error {
	for limit != 0 {
		chunk := buffer
		if limit > 0 && limit < len(chunk) {
			chunk = chunk[:limit]
		}
		n, err := read(chunk)
		if n > 0 {
			if err := sink(chunk[:n]); err != nil {
				return err
			}
			if limit > 0 {
				limit -= n
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errNothing) {
			return err
		}
		if err != nil {
			return errEnded
		}
	}
	return nil
}

// read waits until something is printed. A terminal that everyone has left answers with an input/output error, and once
// too early: Linux (n_tty_read) takes what is on its way first and looks whether all have left afterwards, so what
// was printed in between is only had by asking again.
func (o *Output) read(chunk []byte) (int, error) {
	n, err := o.file.Read(chunk)
	if o.terminal && errors.Is(err, syscall.EIO) {
		return o.file.Read(chunk)
	}
	return n, err
}

// readNow reads what has been printed in a terminal, and does not wait. Linux brings what is still on its way to the
// agent's side before it says that there is nothing.
func (o *Output) readNow(chunk []byte) (n int, err error) {
	connection, err := o.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := connection.Control(func(fd uintptr) {
		for tries := 0; tries < 2; tries++ {
			n, err = syscall.Read(int(fd), chunk)
			// As in read.
			if err != syscall.EIO {
				return
			}
		}
	})
	switch {
	case controlErr != nil:
		return 0, controlErr
	case err == syscall.EINTR:
		return 0, nil
	case err == syscall.EAGAIN:
		return 0, errNothing
	case err == nil && n == 0:
		return 0, io.EOF
	}
	return n, err
}

// buffered says how many bytes are in the pipe.
func (o *Output) buffered() int {
	const fionread = 0x541B
	count := int32(0)
	if connection, err := o.file.SyscallConn(); err == nil {
		connection.Control(func(fd uintptr) {
			if linux.IoctlPointer(int(fd), fionread, unsafe.Pointer(&count)) != nil {
				count = 0
			}
		})
	}
	return int(count)
}

// A background process that floods its pipe is slowed to a few megabytes a second: it is heard by nobody, and
// shall not cost the commands that are.
const floodPause = 5 * time.Millisecond

func (o *Output) discard() {
	o.file.SetReadDeadline(time.Time{})
	buffer := make([]byte, 16*1024)
	for {
		n, err := o.file.Read(buffer)
		if err != nil {
			o.file.Close()
			return
		}
		if n == len(buffer) {
			time.Sleep(floodPause)
		}
	}
}
