package session

import "opensandbox/agent/internal/protocol"

// unpack makes what the tar stream holds that the host sends.
func (s *session) unpack(st *stream, request protocol.Unpack) (any, error) {
	unpacked, err := s.guest.Unpack(protocol.PathBytes(request.Path), s.input(st))
	if err != nil {
		return nil, err
	}
	done := protocol.UnpackDone{OK: true, Files: unpacked.Files, Bytes: unpacked.Bytes}
	if request.Sync {
		synced, err := s.guest.Sync()
		if err != nil {
			return nil, err
		}
		done.SyncUs, done.Wrote = synced.Took.Microseconds(), synced.Wrote
	}
	return done, nil
}
