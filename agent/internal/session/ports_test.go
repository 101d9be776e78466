package session

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"opensandbox/agent/internal/ports"
	"opensandbox/agent/internal/protocol"
)

// hostPorts are those of the machine that runs the tests.
type hostPorts struct{}

func (hostPorts) Dial(ctx context.Context, request protocol.Connect) (*net.TCPConn, error) {
	return ports.Dial(ctx, request.Host, request.Port)
}

func (hostPorts) Listen(request protocol.Listen) (*ports.Listener, error) {
	return ports.Listen(request.Host, request.Port)
}

func (hostPorts) AwaitPort(ctx context.Context, request protocol.AwaitPort) error {
	return ports.Await(ctx, request.Port, time.Duration(request.TimeoutMs)*time.Millisecond)
}

// server takes one connection and hands it to serve.
func server(t *testing.T, serve func(*net.TCPConn)) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(limit))
		serve(conn.(*net.TCPConn))
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func (h *host) request(stream uint32, format string, arguments ...any) {
	h.t.Helper()
	h.send(protocol.TypeRequest, stream, []byte(fmt.Sprintf(format, arguments...)))
}

func (h *host) expect(kind protocol.Type, stream uint32, payload string) {
	h.t.Helper()
	frame := h.next()
	if frame.Type != kind || frame.Stream != stream || string(frame.Payload) != payload {
		h.t.Fatalf("a frame of type %d on stream %d: %s", frame.Type, frame.Stream, frame.Payload)
	}
}

func TestAConnectionCarriesBytesUntilBothSidesHaveEnded(t *testing.T) {
	port := server(t, func(conn *net.TCPConn) {
		conn.Write([]byte("hello"))
		conn.CloseWrite()
		rest, _ := io.ReadAll(conn)
		if string(rest) != "and goodbye" {
			t.Errorf("received %q", rest)
		}
	})
	h := greeted(t)
	h.request(1, `{"op":"connect","port":%d}`, port)
	h.expect(protocol.TypeEvent, 1, `{"connected":true}`)
	h.expect(protocol.TypeStdout, 1, "hello")
	h.expect(protocol.TypeEvent, 1, `{"outputEnded":5}`)
	h.send(protocol.TypeStdin, 1, []byte("and goodbye"))
	h.send(protocol.TypeStdinEOF, 1, nil)
	h.expect(protocol.TypeResponse, 1, `{"ok":true}`)
}

func TestAConnectionThatIsCancelledIsClosed(t *testing.T) {
	gone := make(chan error, 1)
	port := server(t, func(conn *net.TCPConn) {
		_, err := io.ReadAll(conn)
		gone <- err
	})
	h := greeted(t)
	h.request(1, `{"op":"connect","port":%d}`, port)
	h.expect(protocol.TypeEvent, 1, `{"connected":true}`)
	h.send(protocol.TypeCancel, 1, nil)
	if frame := h.next(); frame.Type != protocol.TypeResponse {
		t.Errorf("a frame of type %d", frame.Type)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

func TestAConnectionThatEndsOnOneSideCanBeCancelled(t *testing.T) {
	port := server(t, func(conn *net.TCPConn) {
		conn.CloseWrite()
		io.ReadAll(conn)
	})
	h := greeted(t)
	h.request(1, `{"op":"connect","port":%d}`, port)
	h.expect(protocol.TypeEvent, 1, `{"connected":true}`)
	h.expect(protocol.TypeEvent, 1, `{"outputEnded":0}`)
	h.send(protocol.TypeCancel, 1, nil)
	if frame := h.next(); frame.Type != protocol.TypeResponse {
		t.Errorf("a frame of type %d", frame.Type)
	}
}

func TestAConnectionThatBreaksOffIsNoEnd(t *testing.T) {
	port := server(t, func(conn *net.TCPConn) {
		conn.Read(make([]byte, 1))
		conn.SetLinger(0)
	})
	h := greeted(t)
	h.request(1, `{"op":"connect","port":%d}`, port)
	h.expect(protocol.TypeEvent, 1, `{"connected":true}`)
	h.send(protocol.TypeStdin, 1, []byte("x"))
	if frame := h.next(); frame.Type != protocol.TypeResponse || !strings.Contains(string(frame.Payload), `"code":"reset"`) {
		t.Errorf("a frame of type %d: %s", frame.Type, frame.Payload)
	}
}

func TestAPortWithoutAServerRefuses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	h := greeted(t)
	h.request(1, `{"op":"connect","port":%d}`, port)
	h.expect(protocol.TypeResponse, 1, fmt.Sprintf(
		`{"ok":false,"code":"refused","message":"nothing takes connections to port %d"}`, port))
	h.request(2, `{"op":"awaitPort","port":%d,"timeoutMs":5}`, port)
	h.expect(protocol.TypeResponse, 2, fmt.Sprintf(
		`{"ok":false,"code":"not_listening","message":"nothing listens on port %d"}`, port))
}

func TestAPortIsAwaited(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	h := greeted(t)
	h.request(1, `{"op":"awaitPort","port":%d,"timeoutMs":20000}`, listener.Addr().(*net.TCPAddr).Port)
	h.expect(protocol.TypeResponse, 1, `{"ok":true}`)
}

func TestAWaitForAPortCanBeCancelled(t *testing.T) {
	h := greeted(t)
	h.request(1, `{"op":"awaitPort","port":1,"timeoutMs":86400000}`)
	h.send(protocol.TypeCancel, 1, nil)
	if frame := h.next(); frame.Type != protocol.TypeResponse {
		t.Errorf("a frame of type %d", frame.Type)
	}
}

func TestAListenerTellsOfConnectionsThatAreThenAccepted(t *testing.T) {
	h := greeted(t)
	h.request(7, `{"op":"listen","port":0}`)
	var listening protocol.Listening
	if err := json.Unmarshal(h.next().Payload, &listening); err != nil || listening.Listener != 7 {
		t.Fatal(listening, err)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", listening.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	var incoming protocol.Incoming
	if err := json.Unmarshal(h.next().Payload, &incoming); err != nil || incoming.Host != "127.0.0.1" {
		t.Fatal(incoming, err)
	}
	h.request(8, `{"op":"accept","listener":7,"connection":%d}`, incoming.Connection)
	h.expect(protocol.TypeEvent, 8, `{"connected":true}`)
	h.send(protocol.TypeStdin, 8, []byte("served"))
	h.send(protocol.TypeStdinEOF, 8, nil)
	if served, err := io.ReadAll(conn); err != nil || !bytes.Equal(served, []byte("served")) {
		t.Errorf("%q, %v", served, err)
	}
	conn.Close()
	h.expect(protocol.TypeEvent, 8, `{"outputEnded":0}`)
	h.expect(protocol.TypeResponse, 8, `{"ok":true}`)

	h.request(9, `{"op":"accept","listener":7,"connection":%d}`, incoming.Connection)
	if frame := h.next(); !strings.Contains(string(frame.Payload), `"code":"no_connection"`) {
		t.Errorf("%s", frame.Payload)
	}
	h.send(protocol.TypeCancel, 7, nil)
	h.expect(protocol.TypeResponse, 7, `{"ok":true}`)
	if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", listening.Port)); err == nil {
		t.Error("it listens still")
	}
}
