package guest

import (
	"context"
	"net"
	"time"

	"opensandbox/agent/internal/ports"
	"opensandbox/agent/internal/protocol"
)

// Dial makes a TCP connection, unless the context is cancelled first.
func (g *Guest) Dial(ctx context.Context, request protocol.Connect) (*net.TCPConn, error) {
	if !g.Ready() {
		return nil, notSetUp()
	}
	return ports.Dial(ctx, request.Host, request.Port)
}

// Listen begins to take TCP connections.
func (g *Guest) Listen(request protocol.Listen) (*ports.Listener, error) {
	if !g.Ready() {
		return nil, notSetUp()
	}
	return ports.Listen(request.Host, request.Port)
}

// AwaitPort waits until something listens on a port, unless the context is cancelled first.
func (g *Guest) AwaitPort(ctx context.Context, request protocol.AwaitPort) error {
	if !g.Ready() {
		return notSetUp()
	}
	return ports.Await(ctx, request.Port, time.Duration(request.TimeoutMs)*time.Millisecond)
}
