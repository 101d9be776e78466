package session

import "opensandbox/agent/internal/protocol"

// output is what a stream says on one of its channels, as far as the host grants credit.
type output struct {
	session *session
	stream  *stream
	kind    protocol.Type
	credit  *window
}

func (s *session) stdout(st *stream) *output {
	return &output{s, st, protocol.TypeStdout, st.stdout}
}

func (s *session) stderr(st *stream) *output {
	return &output{s, st, protocol.TypeStderr, st.stderr}
}

// Write waits for credit. It fails when the host no longer listens.
func (o *output) Write(bytes []byte) (int, error) {
	written := 0
	for written < len(bytes) {
		chunk := bytes[written:]
		if len(chunk) > protocol.MaxData {
			chunk = chunk[:protocol.MaxData]
		}
		n := o.credit.take(len(chunk))
		if n == 0 {
			return written, errGone
		}
		if err := o.session.send(o.stream, o.kind, chunk[:n]); err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}
