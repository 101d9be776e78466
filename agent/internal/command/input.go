package command

import (
	"errors"
	"os"
	"time"

	"opensandbox/agent/internal/protocol"
)

// PID is the number of the shell, which is also that of its process group.
func (p *Process) PID() int {
	return p.pid
}

// Started is when the shell was started.
func (p *Process) Started() time.Time {
	return p.started
}

// WriteStdin writes input until the deadline, and answers how much the command has taken by then. With end it closes the
// input once all is written.
func (p *Process) WriteStdin(input []byte, end bool, deadline time.Time) (written int, err error) {
	err = p.Stdin.SetWriteDeadline(deadline)
	if err == nil {
		written, err = p.Stdin.Write(input)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return written, nil
	}
	if err != nil {
		return written, protocol.Errorf(protocol.CodeInputClosed, "the command takes no more input: %v", err)
	}
	if end {
		p.CloseStdin()
	}
	return written, nil
}
