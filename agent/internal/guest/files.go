package guest

import (
	"errors"
	"os"

	"opensandbox/agent/internal/files"
	"opensandbox/agent/internal/protocol"
)

// Files are the guest's files. The workspace is made anew when a command removed it.
func (g *Guest) Files() (files.Files, error) {
	if !g.Ready() {
		return files.Files{}, notSetUp()
	}
	if err := os.Mkdir(workspacePath, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return files.Files{}, protocol.Errorf(protocol.CodeIO, "%v", err)
	}
	return files.Files{Workspace: workspacePath}, nil
}
