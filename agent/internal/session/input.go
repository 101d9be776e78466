package session

import (
	"io"

	"opensandbox/agent/internal/protocol"
)

// input is what the host sends on a stream, for a request that reads it itself.
type input struct {
	session *session
	stream  *stream
	rest    []byte
}

func (s *session) input(st *stream) io.Reader {
	return &input{session: s, stream: st}
}

// Read waits for input, and grants credit for what it gives. The end is io.EOF only when the host said so: a stream that
// was cancelled fails.
func (i *input) Read(into []byte) (int, error) {
	if len(i.rest) == 0 {
		taken, ended := i.stream.stdin.take()
		if len(taken) == 0 {
			if ended {
				return 0, io.EOF
			}
			return 0, errGone
		}
		i.rest = taken
	}
	n := copy(into, i.rest)
	i.rest = i.rest[n:]
	if grant := i.stream.stdin.use(n); grant > 0 {
		credit := protocol.Credit{Channel: protocol.ChannelStdin, Bytes: uint32(grant)}
		i.session.send(i.stream, protocol.TypeCredit, credit.Encode())
	}
	return n, nil
}
