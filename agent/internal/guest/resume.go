package guest

import (
	"opensandbox/agent/internal/identity"
	"opensandbox/agent/internal/protocol"
)

// Freeze has all that commands and processes started stand still. A machine that is made of this one at such an instant
// has none that runs before it was resumed.
func (g *Guest) Freeze() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.freeze(true)
}

// Thaw has what stands still go on, if anything does.
func (g *Guest) Thaw() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.freeze(false)
}

// Resume gives a machine that goes on from an instant of another one its own clock, random generator and names, and then
// has what stands still go on.
func (g *Guest) Resume(request protocol.Resume) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disk == nil {
		return notSetUp()
	}
	if err := g.renew(request.Entropy, request.UnixTimeMs); err != nil {
		return protocol.Errorf(protocol.CodeSetupFailed, "%v", err)
	}
	g.name(request.Hostname, request.MachineID, identity.Overwrite)
	if err := g.freeze(false); err != nil {
		return protocol.Errorf(protocol.CodeSetupFailed, "%v", err)
	}
	return nil
}

func (g *Guest) freeze(frozen bool) error {
	if g.frozen == frozen || g.Runner.Groups == nil {
		return nil
	}
	if err := g.Runner.Groups.Freeze(frozen); err != nil {
		return err
	}
	g.frozen = frozen
	return nil
}
