package session

import (
	"sync"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/protocol"
)

// stream is one request that has not been answered.
type stream struct {
	id             uint32
	stdin          *inbox
	stdout, stderr *window
	// Guarded by the writer's lock: after the response nothing follows.
	answered bool

	mu        sync.Mutex
	process   *command.Process
	onCancel  func()
	cancelled bool
}

func newStream(id uint32) *stream {
	return &stream{id: id, stdin: newInbox(), stdout: newWindow(), stderr: newWindow()}
}

// attach makes the process the one that cancel kills.
func (s *stream) attach(process *command.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = process
	if s.cancelled {
		process.Kill()
	}
}

// detach says whether the stream was cancelled. From then on it can no longer be.
func (s *stream) detach() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = nil
	return s.cancelled
}

// whenCancelled has act called once the stream is cancelled, which must not wait for anything; at once if it was.
func (s *stream) whenCancelled(act func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCancel = act
	if s.cancelled {
		act()
	}
}

// cancel kills what runs. Input that was not read and output that has no credit are thrown away, so that the answer comes soon.
func (s *stream) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = true
	s.stdin.close()
	s.stdout.close()
	s.stderr.close()
	if s.onCancel != nil {
		s.onCancel()
	}
	if s.process != nil {
		s.process.Kill()
	}
}

func (s *stream) resize(size protocol.Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Resize(size)
	}
}
