package view

import (
	"os"
	"strconv"
	"syscall"

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
	state := &protocol.FileState{
		Type:    typeOf(info.Mode),
		Mode:    info.Mode &^ syscall.S_IFMT,
		UID:     info.Uid,
		GID:     info.Gid,
		Size:    info.Size,
		MtimeNs: nanoseconds(info.Mtim),
		CtimeNs: nanoseconds(info.Ctim),
		Ino:     strconv.FormatUint(info.Ino, 10),
	}
	if state.Type == protocol.TypeLink {
		target, err := linux.Readlinkat(directory, name)
		if err != nil {
			return nil, &os.PathError{Op: "readlink", Path: name, Err: err}
		}
		text := protocol.PathText(target)
		state.Target = &text
	}
	return state, nil
}

// isWhiteout tells how the overlay file system marks in the upper directory what is deleted: by a device 0/0.
func isWhiteout(info *syscall.Stat_t) bool {
	return info.Mode&syscall.S_IFMT == syscall.S_IFCHR && info.Rdev == 0
}

func typeOf(mode uint32) protocol.FileType {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		return protocol.TypeRegular
	case syscall.S_IFDIR:
		return protocol.TypeDirectory
	case syscall.S_IFLNK:
		return protocol.TypeLink
	}
	return protocol.TypeOther
}

// nanoseconds since the epoch. A disk's times reach further than 64 bits with a sign do.
func nanoseconds(time syscall.Timespec) string {
	if time.Sec < 0 {
		return strconv.FormatInt(time.Nano(), 10)
	}
	return strconv.FormatUint(uint64(time.Sec)*1e9+uint64(time.Nsec), 10)
}

func isDirectory(state *protocol.FileState) bool {
	return state != nil && state.Type == protocol.TypeDirectory
}
