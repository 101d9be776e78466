package files

import (
	"syscall"

	"opensandbox/agent/internal/entry"
	"opensandbox/agent/internal/protocol"
)

// List reports what a directory holds and, for a depth above 1, what the directories in it hold, so many levels deep: each
// right before what is in it, names in the order of their bytes. Links are not followed, but for the path itself. It
// stops when there are more than limit, or at a path that is too long for any program, and says so.
func (f Files) List(path string, depth, limit int, report func(protocol.ListEntry) error) (truncated bool, err error) {
	directory, err := syscall.Open(f.absolute(path), syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false, failureOf(err)
	}
	w := &walk{left: limit, report: report}
	if err := w.list(directory, "", depth); err != nil {
		return false, failureOf(err)
	}
	return w.truncated, nil
}

// maxPath is how long a path may be for any program to reach it, in bytes.
const maxPath = 4095

type walk struct {
	// How many more entries may be reported.
	left      int
	truncated bool
	report    func(protocol.ListEntry) error
}

// list reports what the open directory holds, which it closes. Its path ends with a slash, or is empty for the first.
func (w *walk) list(directory int, path string, depth int) error {
	defer syscall.Close(directory)
	// One more than may be reported, to know that there is more.
	names, cut, err := entry.Names(w.left+1, directory)
	if err != nil {
		return err
	}
	for _, name := range names {
		state, err := entry.State(directory, name)
		if err != nil {
			return err
		}
		if state == nil {
			continue
		}
		if w.left == 0 || len(path)+len(name) > maxPath {
			w.truncated = true
			return nil
		}
		w.left--
		if err := w.report(protocol.ListEntry{Path: protocol.PathText(path + name), State: *state}); err != nil {
			return err
		}
		if state.Type == protocol.TypeDirectory && depth > 1 {
			if err := w.enter(directory, name, path+name+"/", depth-1); err != nil {
				return err
			}
		}
		if w.truncated {
			return nil
		}
	}
	w.truncated = cut
	return nil
}

func (w *walk) enter(parent int, name, path string, depth int) error {
	directory, err := syscall.Openat(parent, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err == syscall.ENOENT || err == syscall.ENOTDIR || err == syscall.ELOOP {
		// It was removed or replaced since it was seen.
		return nil
	}
	if err != nil {
		return err
	}
	return w.list(directory, path, depth)
}
