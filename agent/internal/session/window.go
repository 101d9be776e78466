package session

import (
	"sync"

	"opensandbox/agent/internal/protocol"
)

// window counts how much output may be sent before the host grants more.
type window struct {
	mu      sync.Mutex
	changed *sync.Cond
	credit  int
	closed  bool
}

func newWindow() *window {
	w := &window{credit: protocol.Window}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// take waits for credit and takes up to want of it. It takes nothing once the window is closed and used up.
func (w *window) take(want int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.credit == 0 && !w.closed {
		w.changed.Wait()
	}
	if want > w.credit {
		want = w.credit
	}
	w.credit -= want
	return want
}

// grant adds credit. It refuses more than the window holds.
func (w *window) grant(bytes uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int64(bytes) > int64(protocol.Window-w.credit) {
		return false
	}
	w.credit += int(bytes)
	w.changed.Broadcast()
	return true
}

// close ends all waiting: what has no credit now is not going to be sent.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.changed.Broadcast()
}
