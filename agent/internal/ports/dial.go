// Package ports makes and takes TCP connections inside the machine.
package ports

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"

	"opensandbox/agent/internal/protocol"
)

// dialLimit is how long a connection may take to be made.
const dialLimit = 10 * time.Second

// loopback is where a server under development listens: at one of these, or at all addresses.
var loopback = []string{"127.0.0.1", "::1"}

// Dial connects to a port; without a host, to the machine itself.
func Dial(ctx context.Context, host string, port int) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	hosts := []string{host}
	if host == "" || host == "localhost" {
		hosts = loopback
	}
	var failure error
	for _, host := range hosts {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		// The first address is the usual one: what it says is what its user expects to hear.
		if failure == nil {
			failure = err
		}
	}
	if errors.Is(failure, syscall.ECONNREFUSED) {
		return nil, protocol.Errorf(protocol.CodeRefused, "nothing takes connections to port %d", port)
	}
	return nil, protocol.Errorf(protocol.CodeUnreachable, "%v", failure)
}
