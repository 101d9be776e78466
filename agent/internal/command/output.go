package command

import (
	"errors"
	"os"
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

// After the shell has exited its last words may still be on their way through the terminal. The terminal
// ends by itself unless a background process holds it, and only then this time is waited for.
const terminalGrace = 50 * time.Millisecond

// Copy hands what is printed to sink, until all who could print are gone, or until the shell has exited (Finish)
// and what was in the pipe then has been handed over. A background process may go on printing: that is read
// and thrown away, so that it neither blocks nor dies of it. The same happens when sink fails.
func (o *Output) Copy(sink func([]byte) error) {
	buffer := make([]byte, protocol.MaxData)
	err := o.copy(buffer, sink, -1)
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

func (o *Output) copyRest(buffer []byte, sink func([]byte) error) error {
	if o.terminal {
		o.file.SetReadDeadline(time.Now().Add(terminalGrace))
		return o.copy(buffer, sink, protocol.OutputWindow)
	}
	o.file.SetReadDeadline(time.Time{})
	return o.copy(buffer, sink, o.buffered())
}

var errEnded = errors.New("all who could print are gone")

// copy hands over at most limit bytes (any number when it is negative) and says why it stopped: nil at the limit,
// errEnded, os.ErrDeadlineExceeded, or sink's own error.
func (o *Output) copy(buffer []byte, sink func([]byte) error, limit int) error {
	for limit != 0 {
		chunk := buffer
		if limit > 0 && limit < len(chunk) {
			chunk = chunk[:limit]
		}
		n, err := o.file.Read(chunk)
		if n > 0 {
			if err := sink(chunk[:n]); err != nil {
				return err
			}
			if limit > 0 {
				limit -= n
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err != nil {
			// A terminal that everyone has left answers with an input/output error.
			return errEnded
		}
	}
	return nil
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
