package view

import (
	"os"
	"syscall"

	"opensandbox/agent/internal/entry"
	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// stateOf says what a directory has by that name; nil for nothing. The directory -1 has nothing. Only in the upper
// directory are there whiteouts, which are nothing to the user.
func stateOf(directory int, name string, upper bool) (*protocol.FileState, error) {
	if directory < 0 {
		return nil, nil
	}
	info, err := linux.Lstatat(directory, name)
	if err == syscall.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if upper && isWhiteout(&info) {
		return nil, nil
	}
	return entry.Describe(directory, name, &info)
}

// isWhiteout tells how the overlay file system marks in the upper directory what is deleted: by a device 0/0.
func isWhiteout(info *syscall.Stat_t) bool {
	return info.Mode&syscall.S_IFMT == syscall.S_IFCHR && info.Rdev == 0
}

func isDirectory(state *protocol.FileState) bool {
	return state != nil && state.Type == protocol.TypeDirectory
}
