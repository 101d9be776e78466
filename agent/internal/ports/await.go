package ports

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"opensandbox/agent/internal/protocol"
)

// How often the kernel's list of sockets is looked at: at first, and after a while.
const (
	firstLook = 2 * time.Millisecond
	lastLook  = 100 * time.Millisecond
)

// Await waits until something listens on a port where Dial without a host would find it. It asks the kernel: a server
// that takes one connection only is not to lose it to this.
func Await(ctx context.Context, port int, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for look := firstLook; ; {
		if listens("/proc/net/tcp", port) || listens("/proc/net/tcp6", port) {
			return nil
		}
		select {
		case <-ctx.Done():
			return protocol.Errorf(protocol.CodeNotListening, "nothing listens on port %d", port)
		case <-time.After(look):
		}
		if look *= 2; look > lastLook {
			look = lastLook
		}
	}
}

// reachable are the local addresses, as the kernel lists them, at which the loopback interface is listened to.
var reachable = map[string]bool{
	"00000000":                         true, // 0.0.0.0
	"0100007F":                         true, // 127.0.0.1
	"00000000000000000000000000000000": true, // ::
	"00000000000000000000000001000000": true, // ::1
	"0000000000000000FFFF00000100007F": true, // ::ffff:127.0.0.1
}

// listens looks for a socket in a list of the kernel's. A list that cannot be read has none.
func listens(list string, port int) bool {
	const stateListen = "0A"
	file, err := os.Open(list)
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// sl local_address rem_address st …
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != stateListen {
			continue
		}
		address, number, _ := strings.Cut(fields[1], ":")
		found, err := strconv.ParseUint(number, 16, 16)
		if err == nil && int(found) == port && reachable[address] {
			return true
		}
	}
	return false
}
