package guest

import (
	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/processes"
	"opensandbox/agent/internal/protocol"
)

// StartProcess starts a process that goes on when the session ends.
func (g *Guest) StartProcess(request protocol.Start) (*processes.Process, error) {
	exec := protocol.Exec{
		Command: &request.Command, Cwd: request.Cwd, User: request.User, Env: request.Env, Pty: request.Pty, Stdin: true,
	}
	// At a terminal someone waits for each answer.
	background := request.Pty == nil
	return g.processes.Start(request.Command, func() (*command.Process, error) { return g.start(exec, background) })
}

// Processes are those that StartProcess started.
func (g *Guest) Processes() *processes.Table {
	return &g.processes
}
