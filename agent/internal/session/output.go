package session

import (
	"errors"
	"io"

	"opensandbox/agent/internal/protocol"
)

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
		if len(chunk) > protocol.MaxOutput {
			chunk = chunk[:protocol.MaxOutput]
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

// ReadFrom sends all that there is to read, as Write does. It reads to where frames are made, which spares long transfers
// a copy of all that they carry; and it makes larger ones once there was enough for one.
func (o *output) ReadFrom(from io.Reader) (int64, error) {
	frame := make([]byte, protocol.HeaderSize+protocol.MaxData)
	for sent, full := int64(0), false; ; {
		if full && len(frame) < protocol.HeaderSize+protocol.MaxOutput {
			frame = make([]byte, protocol.HeaderSize+protocol.MaxOutput)
		}
		n, err := from.Read(frame[protocol.HeaderSize:])
		full = n == len(frame)-protocol.HeaderSize
		if n > 0 {
			if o.credit.take(n) < n {
				return sent, errGone
			}
			if err := o.session.sendInPlace(o.stream, o.kind, frame[:protocol.HeaderSize+n]); err != nil {
				return sent, err
			}
			sent += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
}
