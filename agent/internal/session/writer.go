package session

import (
	"errors"
	"io"
	"sync"

	"opensandbox/agent/internal/protocol"
)

// writer puts whole frames on the port, one after the other. There is no queue behind it: who has something to
// say waits for its turn, and has at most one frame in hand.
type writer struct {
	mu    sync.Mutex
	to    io.Writer
	frame []byte
}

var errGone = errors.New("the host no longer listens to this stream")

// write sends the frame if wanted, asked when it is the frame's turn, says so.
func (w *writer) write(frame protocol.Frame, wanted func() bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes, err := protocol.Append(w.frame[:0], frame)
	if err != nil {
		return err
	}
	w.frame = bytes
	return w.put(bytes, wanted)
}

// writeBytes is write for a frame that is made already.
func (w *writer) writeBytes(frame []byte, wanted func() bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.put(frame, wanted)
}

func (w *writer) put(frame []byte, wanted func() bool) error {
	if !wanted() {
		return errGone
	}
	_, err := w.to.Write(frame)
	return err
}
