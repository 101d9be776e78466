package entry

import (
	"os"
	"strconv"
	"syscall"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// State says what a directory has by that name; nil for nothing.
func State(directory int, name string) (*protocol.FileState, error) {
	info, err := linux.Lstatat(directory, name)
	if err == syscall.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return Describe(directory, name, &info)
}

// Describe puts what stat says of a name in a directory into words.
func Describe(directory int, name string, info *syscall.Stat_t) (*protocol.FileState, error) {
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
