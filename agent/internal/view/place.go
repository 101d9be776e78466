package view

import (
	"os"
	"syscall"

	"opensandbox/agent/internal/entry"
	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// place is a path at which there is a directory, or was one in the base.
type place struct {
	// Ends without a slash; empty for the root.
	path string
	// The directory as it is and as it was in the base; -1 where it is none.
	now, was int
	// Whether now is of the upper directory. Else it is of the whole view.
	upper bool
	// Whether now is laid over was. Else it alone is what the user sees.
	merged bool
	// The names in it that are still to be looked at, in order; cut when others after them were dropped.
	names []string
	cut   bool
}

// root is the place where the upper directory is laid over the base.
func (v *View) root() (place, error) {
	root := place{now: -1, was: -1, upper: true, merged: true}
	var err error
	if root.now, err = openDirectory(v.upper, "."); err == nil {
		root.was, err = openDirectory(v.base, ".")
	}
	return root, err
}

// states says what was and what is there by that name.
func (p *place) states(name string) (was, now *protocol.FileState, err error) {
	if was, err = stateOf(p.was, name, false); err == nil {
		now, err = stateOf(p.now, name, p.upper)
	}
	return was, now, err
}

// How the overlay file system marks a directory in the upper one: it is not laid over the base's of the same path, or
// it is laid over another one of the base's.
const (
	hides = "trusted.overlay.opaque"
	moved = "trusted.overlay.redirect"
)

// inside is the place by that name in another one. Which of the base's directories a moved one is laid over is left
// to the kernel: from there on the whole view is looked at. Also with an error there may be something to close.
func (v *View) inside(p *place, name string, wasDirectory, isDirectory bool) (next place, err error) {
	next = place{path: p.path + "/" + name, now: -1, was: -1, upper: p.upper}
	if wasDirectory {
		if next.was, err = openDirectory(p.was, name); err != nil {
			return next, err
		}
	}
	if !isDirectory {
		return next, nil
	}
	if next.now, err = openDirectory(p.now, name); err != nil || !p.upper {
		return next, err
	}
	isMoved, err := linux.HasAttribute(next.now, moved)
	if err != nil {
		return next, err
	}
	if isMoved {
		next.upper = false
		syscall.Close(next.now)
		next.now, err = v.openDirectory(next.path)
		return next, err
	}
	isHiding, err := linux.HasAttribute(next.now, hides)
	next.merged = p.merged && wasDirectory && !isHiding
	return next, err
}

// list finds the names to look at, at most so many. Where one directory is laid over the other, all that differs is
// in the upper one.
func (p *place) list(most int) (err error) {
	directories := []int{p.now}
	if !p.merged {
		directories = append(directories, p.was)
	}
	p.names, p.cut, err = entry.Names(most, directories...)
	return err
}

// keep drops all names but the first so many.
func (p *place) keep(most int) {
	if len(p.names) > most {
		entry.Forget(p.names[most:])
		p.names, p.cut = p.names[:most], true
	}
}

func (p *place) close() {
	for _, fd := range []int{p.now, p.was} {
		if fd >= 0 {
			syscall.Close(fd)
		}
	}
}

// openDirectory opens a directory of the whole view.
func (v *View) openDirectory(path string) (int, error) {
	fd, err := linux.OpenResolving(v.whole, path, syscall.O_DIRECTORY, linux.ResolveNoSymlinks|linux.ResolveInRoot)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

func openDirectory(in int, name string) (int, error) {
	fd, err := syscall.Openat(in, name, syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}
