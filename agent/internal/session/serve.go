package session

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"time"

	"opensandbox/agent/internal/protocol"
)

// Server serves the hosts that come to a port, one after the other.
type Server struct {
	Guest Guest
	// Welcome makes the answer to a hello.
	Welcome func(protocol.Hello) protocol.Welcome
	Log     *log.Logger

	decoder protocol.Decoder
	session *session
	writer  *writer
}

// While no host is there the port cannot be waited on. Then it is looked at again and again, at these intervals.
const (
	firstLook = time.Millisecond
	lastLook  = 20 * time.Millisecond
)

// Serve answers on the port until reading from it fails.
func (s *Server) Serve(port io.ReadWriter) error {
	s.writer = &writer{to: port}
	buffer := make([]byte, 32*1024)
	look := firstLook
	for {
		n, err := port.Read(buffer)
		if n > 0 {
			look = firstLook
			s.decoder.Write(buffer[:n])
			s.receiveAll()
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		s.decoder.Reset()
		time.Sleep(look)
		if look *= 2; look > lastLook {
			look = lastLook
		}
	}
}

func (s *Server) receiveAll() {
	for {
		frame, event := s.decoder.Next()
		switch {
		case event == protocol.Incomplete:
			return
		case event == protocol.Lost:
			s.end()
		case frame.Type == protocol.TypeHello:
			s.greet(frame)
		case s.session == nil:
			s.decoder.Hunt()
		default:
			if err := s.session.receive(frame); err != nil {
				s.Log.Printf("the host broke the protocol: %v", err)
				s.end()
				s.decoder.Hunt()
			}
		}
	}
}

func (s *Server) end() {
	if s.session != nil {
		s.session.end()
		s.session = nil
	}
}

// leave ends the session, but not what runs in it.
func (s *Server) leave() {
	if s.session != nil {
		s.session.leave()
		s.session = nil
	}
}

// thaw has what an earlier host froze go on, which may have ended before it could say so.
func (s *Server) thaw() {
	if err := s.Guest.Thaw(); err != nil {
		s.Log.Printf("thaw: %v", err)
	}
}

func (s *Server) greet(frame protocol.Frame) {
	hello, err := protocol.ParseHello(frame.Payload)
	if hello.Resumed {
		s.leave()
	} else {
		s.end()
		s.thaw()
	}
	if err != nil {
		s.decoder.Hunt()
		return
	}
	payload, err := json.Marshal(s.Welcome(hello))
	if err == nil {
		welcome := protocol.Frame{Type: protocol.TypeWelcome, Payload: payload}
		err = s.writer.write(welcome, func() bool { return true })
	}
	if err != nil {
		s.Log.Printf("welcome: %v", err)
	}
	s.session = newSession(s.Guest, s.writer, s.Log)
}
