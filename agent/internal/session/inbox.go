package session

import (
	"sync"

	"opensandbox/agent/internal/protocol"
)

// creditStep is how much input is used up before credit for it is granted: small inputs need no such frame.
const creditStep = 64 * 1024

// inbox holds a command's input between the frames that bring it and the pipe that takes it.
type inbox struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []byte
	// How many bytes the host has sent and was not yet granted again.
	owed   int
	used   int
	ended  bool
	left   bool
	closed bool
}

func newInbox() *inbox {
	b := &inbox{}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// put adds input. It refuses input beyond the credit or after the end.
func (b *inbox) put(input []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || b.owed+len(input) > protocol.InputWindow {
		return false
	}
	b.owed += len(input)
	b.waiting = append(b.waiting, input...)
	b.changed.Signal()
	return true
}

// end says that no more input comes.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.changed.Signal()
}

// close forgets everything: nobody reads the input any more.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.waiting = nil
	b.changed.Signal()
}

// leave says that no more input comes, though the host did not end it.
func (b *inbox) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	b.changed.Signal()
}

// take waits for input and takes all there is. Without any, ended says whether the host ended the input; else
// nobody reads it any more, or the host is no more to be heard.
func (b *inbox) take() (input []byte, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) == 0 && !b.ended && !b.left && !b.closed {
		b.changed.Wait()
	}
	input, b.waiting = b.waiting, nil
	return input, b.ended && !b.closed
}

// use says that so much of what was taken is used up, and answers what credit to grant for it now.
func (b *inbox) use(bytes int) (grant int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
	if b.used < creditStep {
		return 0
	}
	grant = b.used
	b.owed -= grant
	b.used = 0
	return grant
}
