package guest

import (
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/rehearsal"
)

// Rehearse does what a setup and a command do, on a disk that is not the machine's own. A setup waits for its end.
func (g *Guest) Rehearse(request protocol.Rehearse) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disk != nil {
		return protocol.Errorf(protocol.CodeAlreadySetUp, "this machine was set up before")
	}
	if err := rehearsal.Run(g.Runner, request.Device); err != nil {
		return protocol.Errorf(protocol.CodeSetupFailed, "%v", err)
	}
	return nil
}
