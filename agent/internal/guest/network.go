package guest

import (
	"net"

	"opensandbox/agent/internal/network"
	"opensandbox/agent/internal/protocol"
)

// setUpNetwork gives the machine the network that it is to have; without one its device, if any, stays down.
func setUpNetwork(request *protocol.Network) error {
	if request == nil {
		return nil
	}
	return network.Up(network.Config{
		Address: net.ParseIP(request.Address),
		Gateway: net.ParseIP(request.Gateway),
		Prefix:  request.Prefix,
	})
}
