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
	w := &window{credit: protocol.OutputWindow}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// take waits for as much credit as is wanted, at most a frame's, and takes it: what is granted in steps that are no multiple
// of a frame would else be used up by frames of a few bytes. Once the window is closed it takes what is left.
func (w *window) take(want int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.credit < want && !w.closed {
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
	if int64(bytes) > int64(protocol.OutputWindow-w.credit) {
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
