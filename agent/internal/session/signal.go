package session

import (
	"syscall"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/protocol"
)

// signalExec signals the command of another stream. One that is over needs none.
func (s *session) signalExec(request protocol.SignalExec) (protocol.SignalExecDone, error) {
	signal, known := command.SignalOf(request.Signal)
	if !known {
		return protocol.SignalExecDone{}, protocol.Errorf(protocol.CodeBadRequest, "there is no signal %s", request.Signal)
	}
	s.mu.Lock()
	st := s.streams[request.Stream]
	s.mu.Unlock()
	if st != nil {
		st.signal(signal)
	}
	return protocol.SignalExecDone{OK: true}, nil
}

func (s *stream) signal(signal syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Signal(signal)
	}
}
