package session

import (
	"bufio"
	"encoding/json"
	"sync/atomic"

	"opensandbox/agent/internal/files"
	"opensandbox/agent/internal/protocol"
)

// lookAtFiles answers a request that changes no file.
func (s *session) lookAtFiles(st *stream, request any) (any, error) {
	all, err := s.guest.Files()
	if err != nil {
		return nil, err
	}
	switch request := request.(type) {
	case protocol.List:
		truncated, err := s.list(st, all, request)
		return protocol.ListDone{OK: true, Truncated: truncated}, err
	case protocol.ReadFile:
		size, err := s.readFile(st, all, request)
		return protocol.ReadDone{OK: true, Size: size}, err
	case protocol.Stat:
		state, err := all.Stat(protocol.PathBytes(request.Path))
		return protocol.StatDone{OK: true, State: state}, err
	}
	return nil, protocol.Errorf(protocol.CodeBadRequest, "%T looks at no file", request)
}

// list sends each entry as a line of JSON.
func (s *session) list(st *stream, all files.Files, request protocol.List) (truncated bool, err error) {
	lines := bufio.NewWriterSize(s.stdout(st), protocol.MaxData)
	encoder := json.NewEncoder(lines)
	report := func(entry protocol.ListEntry) error { return encoder.Encode(entry) }
	truncated, err = all.List(protocol.PathBytes(request.Path), request.Depth, request.Limit, report)
	if err != nil {
		return false, err
	}
	return truncated, lines.Flush()
}

func (s *session) readFile(st *stream, all files.Files, request protocol.ReadFile) (size int64, err error) {
	content, err := all.Open(protocol.PathBytes(request.Path))
	if err != nil {
		return 0, err
	}
	defer content.Close()
	if err := s.event(st, protocol.FileOpened{Size: content.Size}); err != nil {
		return 0, err
	}
	return content.Copy(s.stdout(st), request.Offset, request.Length)
}

// changeFiles answers a request that changes files. One that is cancelled before its end has changed nothing, but for a
// removal, which goes on to its end.
func (s *session) changeFiles(st *stream, request any) (any, error) {
	all, err := s.guest.Files()
	if err != nil {
		return nil, err
	}
	var cancelled atomic.Bool
	st.whenCancelled(func() { cancelled.Store(true) })
	synced, err := s.change(st, all, request, cancelled.Load)
	if err != nil && cancelled.Load() {
		return nil, protocol.Errorf(protocol.CodeCancelled, "the host cancelled this")
	}
	if err != nil || !synced {
		return protocol.FilesChanged{OK: true}, err
	}
	done, err := s.guest.Sync()
	return protocol.FilesChanged{OK: true, SyncUs: done.Took.Microseconds(), Wrote: done.Wrote}, err
}

// change makes the change, and says whether it is to be synced.
func (s *session) change(st *stream, all files.Files, request any, cancelled func() bool) (sync bool, err error) {
	switch r := request.(type) {
	case protocol.WriteFile:
		return r.Sync, all.Write(protocol.PathBytes(r.Path), s.input(st), r.Append, attributes(r.Mode, r.Owner))
	case protocol.Mkdir:
		return r.Sync, all.Mkdir(protocol.PathBytes(r.Path), attributes(r.Mode, r.Owner))
	case protocol.Remove:
		return r.Sync, all.Remove(protocol.PathBytes(r.Path), r.Recursive)
	case protocol.Rename:
		return r.Sync, all.Rename(protocol.PathBytes(r.From), protocol.PathBytes(r.To), r.Overwrite)
	case protocol.Copy:
		return r.Sync, all.Copy(protocol.PathBytes(r.From), protocol.PathBytes(r.To), r.Overwrite, cancelled)
	case protocol.SetAttributes:
		return r.Sync, all.SetAttributes(protocol.PathBytes(r.Path), attributes(r.Mode, r.Owner))
	}
	return false, protocol.Errorf(protocol.CodeBadRequest, "%T changes no file", request)
}

func attributes(mode *uint32, owner *string) files.Attributes {
	return files.Attributes{Mode: mode, Owner: owner}
}
