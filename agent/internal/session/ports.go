package session

import (
	"context"
	"errors"
	"io"
	"net"

	"opensandbox/agent/internal/ports"
	"opensandbox/agent/internal/protocol"
)

// Ports is what a session can ask of the machine's network. The context is cancelled with the request.
type Ports interface {
	Dial(context.Context, protocol.Connect) (*net.TCPConn, error)
	Listen(protocol.Listen) (*ports.Listener, error)
	AwaitPort(context.Context, protocol.AwaitPort) error
}

// connect carries a connection from its beginning to its end.
func (s *session) connect(st *stream, request protocol.Connect) (any, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st.whenCancelled(cancel)
	conn, err := s.guest.Dial(ctx, request)
	if err != nil {
		return nil, err
	}
	return s.carry(st, conn)
}

// listen tells the host of connections until it is cancelled.
func (s *session) listen(st *stream, request protocol.Listen) (any, error) {
	listener, err := s.guest.Listen(request)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	st.whenCancelled(listener.Close)
	s.keepListener(st.id, listener)
	defer s.keepListener(st.id, nil)
	if err := s.event(st, protocol.Listening{Listener: st.id, Port: listener.Port()}); err != nil {
		return nil, err
	}
	err = listener.Serve(func(incoming protocol.Incoming) error { return s.event(st, incoming) })
	return protocol.ListenDone{OK: true}, err
}

// accept carries a connection that came to a listener of this session.
func (s *session) accept(st *stream, request protocol.Accept) (any, error) {
	s.mu.Lock()
	listener := s.listeners[request.Listener]
	s.mu.Unlock()
	if listener == nil {
		return nil, protocol.Errorf(protocol.CodeNoConnection, "there is no listener %d", request.Listener)
	}
	conn, err := listener.Take(request.Connection)
	if err != nil {
		return nil, err
	}
	return s.carry(st, conn)
}

// awaitPort answers when something listens.
func (s *session) awaitPort(st *stream, request protocol.AwaitPort) (any, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st.whenCancelled(cancel)
	return protocol.AwaitPortDone{OK: true}, s.guest.AwaitPort(ctx, request)
}

// carry brings a connection's bytes both ways until both sides have ended, or one broke off.
func (s *session) carry(st *stream, conn *net.TCPConn) (any, error) {
	defer conn.Close()
	defer st.stdin.close()
	st.whenCancelled(func() { conn.Close() })
	sent := make(chan error, 1)
	// What the host has sent already need not wait until it knows of the connection.
	go func() { sent <- s.feedConnection(st, conn) }()
	if err := s.event(st, protocol.Connected{Connected: true}); err != nil {
		return nil, err
	}
	received, err := io.CopyBuffer(s.stdout(st), conn, make([]byte, protocol.MaxData))
	if err == nil {
		err = s.event(st, protocol.OutputEnded{OutputEnded: received})
	}
	if err == nil {
		err = <-sent
	}
	if err != nil && !errors.Is(err, errGone) {
		err = protocol.Errorf(protocol.CodeReset, "%v", err)
	}
	return protocol.ConnectionDone{OK: true}, err
}

// feedConnection sends the stream's input on the connection, and then its end.
func (s *session) feedConnection(st *stream, conn *net.TCPConn) error {
	_, err := io.Copy(conn, s.input(st))
	if err == nil {
		err = conn.CloseWrite()
	}
	if err != nil {
		// Nobody at the other end: there is nothing more to be received either.
		conn.Close()
	}
	return err
}

// keepListener lets an accept find the listener of a stream, until there is none any more.
func (s *session) keepListener(stream uint32, listener *ports.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if listener == nil {
		delete(s.listeners, stream)
	} else {
		s.listeners[stream] = listener
	}
}
