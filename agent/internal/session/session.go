// Package session serves one host at a time over the port: it answers requests and carries the commands' input
// and output, each stream at its own pace.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/disk"
	"opensandbox/agent/internal/files"
	"opensandbox/agent/internal/pack"
	"opensandbox/agent/internal/ports"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/watch"
)

// Guest is what a session can ask of the machine. An error may be a *protocol.Error.
type Guest interface {
	Uptime() time.Duration
	Setup(protocol.Setup) (mount time.Duration, err error)
	Rehearse(protocol.Rehearse) error
	Freeze() error
	Thaw() error
	Resume(protocol.Resume) error
	Start(protocol.Exec) (*command.Process, error)
	Sync() (disk.Synced, error)
	Wipe() error
	Changes(limit int, report func(protocol.Change) error) (truncated bool, err error)
	Read(path string, limit int64, to io.Writer) (size int64, err error)
	Digest(paths []string) ([]*string, error)
	Ports
	Processes
	Files() (files.Files, error)
	Pack(path string, to io.Writer) error
	Measure(path string) (pack.Size, error)
	Unpack(path string, from io.Reader) (pack.Unpacked, error)
	Watch(path string, recursive bool) (*watch.Watcher, error)
}

type session struct {
	guest  Guest
	writer *writer
	log    *log.Logger
	ended  atomic.Bool

	mu      sync.Mutex
	streams map[uint32]*stream
	last    uint32
	// By the streams of the requests that opened them.
	listeners map[uint32]*ports.Listener
}

func newSession(guest Guest, writer *writer, log *log.Logger) *session {
	return &session{
		guest: guest, writer: writer, log: log, streams: map[uint32]*stream{}, listeners: map[uint32]*ports.Listener{},
	}
}

// end kills the commands that still run, since nobody can be told how they end.
func (s *session) end() {
	s.ended.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		st.cancel()
	}
}

// leave lets the commands that still run go on as processes of no session: their host is no more to be heard, because
// the machine goes on from an instant of another one.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		st.leave()
	}
	// Last: what a command says is kept from the moment at which it is not sent any more.
	s.ended.Store(true)
}

// receive acts on a frame, without ever waiting. An error means that the host broke the protocol.
func (s *session) receive(frame protocol.Frame) error {
	if frame.Type == protocol.TypeRequest {
		return s.open(frame)
	}
	s.mu.Lock()
	st := s.streams[frame.Stream]
	last := s.last
	s.mu.Unlock()
	if st == nil {
		if frame.Stream > last {
			return fmt.Errorf("a frame on stream %d, which was never opened", frame.Stream)
		}
		// The host cannot know yet that the stream has been answered.
		return nil
	}
	return st.receive(frame)
}

func (s *stream) receive(frame protocol.Frame) error {
	switch frame.Type {
	case protocol.TypeStdin:
		if !s.stdin.put(frame.Payload) {
			return fmt.Errorf("input on stream %d beyond its credit or its end", s.id)
		}
	case protocol.TypeStdinEOF:
		s.stdin.end()
	case protocol.TypeCredit:
		return s.grant(frame.Payload)
	case protocol.TypeCancel:
		s.cancel()
	case protocol.TypeResize:
		size, err := protocol.ParseSize(frame.Payload)
		if err != nil {
			return err
		}
		s.resize(size)
	default:
		return fmt.Errorf("a frame of type %d, which a host never sends", frame.Type)
	}
	return nil
}

func (s *stream) grant(payload []byte) error {
	credit, err := protocol.ParseCredit(payload)
	if err != nil {
		return err
	}
	channels := map[protocol.Channel]*window{protocol.ChannelStdout: s.stdout, protocol.ChannelStderr: s.stderr}
	window, known := channels[credit.Channel]
	if !known || !window.grant(credit.Bytes) {
		return fmt.Errorf("credit on stream %d that it cannot have", s.id)
	}
	return nil
}

// open begins a request.
func (s *session) open(frame protocol.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if frame.Stream <= s.last {
		return fmt.Errorf("stream %d was used before", frame.Stream)
	}
	s.last = frame.Stream
	st := newStream(frame.Stream)
	if len(s.streams) >= protocol.MaxStreams {
		go s.answer(st, nil, protocol.Errorf(protocol.CodeTooManyStreams, "%d streams are open", len(s.streams)))
		return nil
	}
	s.streams[st.id] = st
	go s.serve(st, frame.Payload)
	return nil
}

func (s *session) serve(st *stream, payload []byte) {
	defer func() {
		// The first process must not die, whatever a request does to it.
		if trouble := recover(); trouble != nil {
			s.log.Printf("stream %d: %v", st.id, trouble)
			s.answer(st, nil, protocol.Errorf(protocol.CodeInternal, "the agent failed: %v", trouble))
		}
	}()
	response, err := s.perform(st, payload)
	s.answer(st, response, err)
}

func (s *session) perform(st *stream, payload []byte) (any, error) {
	request, err := protocol.ParseRequest(payload)
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeBadRequest, "%v", err)
	}
	switch request := request.(type) {
	case protocol.Setup:
		mount, err := s.guest.Setup(request)
		return protocol.SetupDone{OK: true, MountUs: mount.Microseconds()}, err
	case protocol.Rehearse:
		return protocol.RehearseDone{OK: true}, s.guest.Rehearse(request)
	case protocol.Freeze:
		return protocol.FreezeDone{OK: true}, s.guest.Freeze()
	case protocol.Thaw:
		return protocol.ThawDone{OK: true}, s.guest.Thaw()
	case protocol.Resume:
		return protocol.ResumeDone{OK: true}, s.guest.Resume(request)
	case protocol.Exec:
		return s.exec(st, request)
	case protocol.SignalExec:
		return s.signalExec(request)
	case protocol.Sync:
		synced, err := s.guest.Sync()
		return protocol.SyncDone{OK: true, SyncUs: synced.Took.Microseconds(), Wrote: synced.Wrote}, err
	case protocol.Wipe:
		return protocol.WipeDone{OK: true}, s.guest.Wipe()
	case protocol.Changes:
		truncated, err := s.changes(st, request.Limit)
		return protocol.ChangesDone{OK: true, Truncated: truncated}, err
	case protocol.Read:
		size, err := s.guest.Read(protocol.PathBytes(request.Path), request.Limit, s.stdout(st))
		return protocol.ReadDone{OK: true, Size: size}, err
	case protocol.Digest:
		digests, err := s.guest.Digest(pathBytes(request.Paths))
		return protocol.DigestDone{OK: true, Digests: digests}, err
	case protocol.Connect:
		return s.connect(st, request)
	case protocol.Listen:
		return s.listen(st, request)
	case protocol.Accept:
		return s.accept(st, request)
	case protocol.AwaitPort:
		return s.awaitPort(st, request)
	case protocol.Start, protocol.Processes, protocol.Output, protocol.Input, protocol.Signal, protocol.Resize:
		return s.process(st, request)
	case protocol.Stat, protocol.List, protocol.ReadFile:
		return s.lookAtFiles(st, request)
	case protocol.WriteFile, protocol.Mkdir, protocol.Remove, protocol.Rename, protocol.Copy, protocol.SetAttributes:
		return s.changeFiles(st, request)
	case protocol.Pack:
		return protocol.PackDone{OK: true}, s.guest.Pack(protocol.PathBytes(request.Path), s.stdout(st))
	case protocol.Measure:
		size, err := s.guest.Measure(protocol.PathBytes(request.Path))
		return protocol.MeasureDone{OK: true, Files: size.Files, Bytes: size.Bytes}, err
	case protocol.Unpack:
		return s.unpack(st, request)
	case protocol.Watch:
		return protocol.WatchDone{OK: true}, s.watch(st, request)
	default:
		return protocol.Pong{OK: true, UptimeMs: s.guest.Uptime().Milliseconds()}, nil
	}
}

// answer sends the response, which closes the stream.
func (s *session) answer(st *stream, response any, err error) {
	if err != nil {
		var failure *protocol.Error
		if !errors.As(err, &failure) {
			failure = protocol.Errorf(protocol.CodeInternal, "%v", err)
		}
		response = failure
	}
	payload, err := json.Marshal(response)
	if err != nil {
		s.log.Printf("stream %d: %v", st.id, err)
	}
	// Before the host can know of the answer, so that its next request finds room.
	s.mu.Lock()
	delete(s.streams, st.id)
	s.mu.Unlock()
	frame := protocol.Frame{Type: protocol.TypeResponse, Stream: st.id, Payload: payload}
	err = s.writer.write(frame, func() bool {
		wanted := !st.answered && !s.ended.Load()
		st.answered = true
		return wanted
	})
	if err != nil && !errors.Is(err, errGone) {
		s.log.Printf("stream %d: %v", st.id, err)
	}
}

// send sends a frame that belongs to a stream which is not yet answered.
func (s *session) send(st *stream, kind protocol.Type, payload []byte) error {
	frame := protocol.Frame{Type: kind, Stream: st.id, Payload: payload}
	return s.writer.write(frame, s.wants(st))
}

// sendInPlace sends a frame whose payload is there already, behind the room for its header.
func (s *session) sendInPlace(st *stream, kind protocol.Type, frame []byte) error {
	if err := protocol.PutHeader(frame, kind, st.id); err != nil {
		return err
	}
	return s.writer.writeBytes(frame, s.wants(st))
}

// wants asks whether the host still listens to a stream.
func (s *session) wants(st *stream) func() bool {
	return func() bool { return !st.answered && !s.ended.Load() }
}

// event tells the host of something that happened on a stream which is not yet answered.
func (s *session) event(st *stream, event any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	return s.send(st, protocol.TypeEvent, payload)
}
