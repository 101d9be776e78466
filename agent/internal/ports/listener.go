package ports

import (
	"net"
	"strconv"
	"sync"
	"time"

	"opensandbox/agent/internal/protocol"
)

const (
	// maxPending is how many connections may wait to be taken; more wait in the kernel.
	maxPending = 16
	// takeLimit is how long a connection waits to be taken before it is closed.
	takeLimit = 10 * time.Second
)

// Listener takes connections and keeps each until somebody asks for it by its number.
type Listener struct {
	listener *net.TCPListener
	room     chan struct{}
	closed   chan struct{}
	closing  sync.Once

	mu      sync.Mutex
	last    uint32
	pending map[uint32]*net.TCPConn
}

// Listen begins to listen; without a host at 127.0.0.1, and with port 0 at any that is free.
func Listen(host string, port int) (*Listener, error) {
	if host == "" || host == "localhost" {
		host = loopback[0]
	}
	address := net.ParseIP(host)
	if address == nil {
		return nil, protocol.Errorf(protocol.CodeCannotListen, "%s is no address", host)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeCannotListen, "%v", err)
	}
	return &Listener{
		listener: listener.(*net.TCPListener), room: make(chan struct{}, maxPending), closed: make(chan struct{}),
		pending: map[uint32]*net.TCPConn{},
	}, nil
}

// Port is where it listens.
func (l *Listener) Port() int {
	return l.listener.Addr().(*net.TCPAddr).Port
}

// Serve reports each connection, until reporting fails or the listener is closed.
func (l *Listener) Serve(report func(protocol.Incoming) error) error {
	for {
		select {
		case l.room <- struct{}{}:
		case <-l.closed:
			return nil
		}
		conn, err := l.listener.AcceptTCP()
		if err != nil {
			select {
			case <-l.closed:
				return nil
			default:
				return protocol.Errorf(protocol.CodeCannotListen, "%v", err)
			}
		}
		from := conn.RemoteAddr().(*net.TCPAddr)
		number := l.keep(conn)
		if err := report(protocol.Incoming{Connection: number, Host: from.IP.String(), Port: from.Port}); err != nil {
			return err
		}
	}
}

func (l *Listener) keep(conn *net.TCPConn) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	number := l.last
	l.pending[number] = conn
	time.AfterFunc(takeLimit, func() {
		if late := l.take(number); late != nil {
			late.Close()
		}
	})
	return number
}

// Take gives the connection of that number to the caller, if it still waits.
func (l *Listener) Take(number uint32) (*net.TCPConn, error) {
	conn := l.take(number)
	if conn == nil {
		return nil, protocol.Errorf(protocol.CodeNoConnection, "connection %d does not wait any more", number)
	}
	return conn, nil
}

func (l *Listener) take(number uint32) *net.TCPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conn := l.pending[number]
	if conn != nil {
		delete(l.pending, number)
		<-l.room
	}
	return conn
}

// Close stops listening, and closes the connections that nobody took.
func (l *Listener) Close() {
	l.closing.Do(func() {
		close(l.closed)
		l.listener.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for number, conn := range l.pending {
			delete(l.pending, number)
			conn.Close()
		}
	})
}
