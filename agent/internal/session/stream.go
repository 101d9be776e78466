package session

import (
	"sync"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/processes"
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
	adopt     func() *processes.Process
	kept      *processes.Process
	onCancel  func()
	cancelled bool
	left      bool
}

func newStream(id uint32) *stream {
	return &stream{id: id, stdin: newInbox(), stdout: newWindow(), stderr: newWindow()}
}

// attach makes the process the one that cancel kills, and that adopt makes one of no session when the stream is left, which
// may have been while the process was being started.
func (s *stream) attach(process *command.Process, adopt func() *processes.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.adopt = process, adopt
	if s.cancelled {
		process.Kill()
	} else if s.left {
		s.kept = adopt()
	}
}

// detach says whether the stream was cancelled, or as what its command went on when it was left. From then on it can no
// longer be.
func (s *stream) detach() (cancelled bool, kept *processes.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.adopt = nil, nil
	return s.cancelled, s.kept
}

// keeper is what its command went on as when the stream was left; nil as long as it was not.
func (s *stream) keeper() *processes.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// whenCancelled has act called once the stream is cancelled, which must not wait for anything; at once if it was.
func (s *stream) whenCancelled(act func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCancel = act
	if s.cancelled || s.left {
		act()
	}
}

// cancel kills what runs. Input that was not read and output that has no credit are thrown away, so that the answer comes soon.
func (s *stream) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// leave lets the stream's command go on, with the input that has come and none of the host's from now on. So does what is
// no command, if all of its input has come; otherwise it ends as if it were cancelled.
func (s *stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	if s.adopt != nil && !s.cancelled {
		s.kept = s.adopt()
	}
	s.stdin.leave()
	s.silence()
}

func (s *stream) end() {
	s.cancelled = true
	s.stdin.close()
	s.silence()
	if s.process != nil {
		s.process.Kill()
	}
}

// silence lets nothing more be said, and stops what can be stopped.
func (s *stream) silence() {
	s.stdout.close()
	s.stderr.close()
	if s.onCancel != nil {
		s.onCancel()
	}
}

func (s *stream) resize(size protocol.Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Resize(size)
	}
}
