package view

import (
	"os"
	"syscall"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// maxPath is how long a path may be for any program to reach it, in bytes.
const maxPath = 4095

// Changes reports each path at which the disk may differ from the base: every directory right before what is in it,
// names in the order of their bytes. It stops when there are more than limit, or at a path that is too long for any
// program, and says so.
func (v *View) Changes(limit int, report func(protocol.Change) error) (truncated bool, err error) {
	w := &walk{view: v, left: limit, report: report}
	defer w.end()
	if err := w.begin(); err != nil {
		return false, err
	}
	for len(w.places) > 0 && !w.truncated {
		if err := w.step(); err != nil {
			return false, err
		}
	}
	return w.truncated, nil
}

// walk goes through the upper directory, in which the overlay file system keeps only what differs, and through other
// directories only where the upper one says that they are no longer, or not only, what the base has at that path.
type walk struct {
	view *View
	// How many more paths may be reported.
	left      int
	truncated bool
	report    func(protocol.Change) error
	// From the root to where the walk is.
	places []place
}

// place is a directory on the way, or what has been one.
type place struct {
	// Ends without a slash; empty for the root.
	path string
	// The directory as it is and as it was in the base; -1 where it is none.
	now, was int
	// Whether now is of the upper directory. Else it is of the whole view.
	upper bool
	// Whether now is laid over was. Else it alone is what the user sees.
	merged bool
	// The names still to come, and whether others after them were dropped.
	names []string
	cut   bool
}

func (w *walk) begin() error {
	now, err := stateOf(w.view.upper, ".", true)
	if err != nil {
		return err
	}
	was, err := stateOf(w.view.base, ".", false)
	if err != nil {
		return err
	}
	w.left--
	if err := w.report(protocol.Change{Path: "/", Was: was, Now: now}); err != nil {
		return err
	}
	root := place{now: -1, was: -1, upper: true, merged: true}
	if root.now, err = openDirectory(w.view.upper, "."); err == nil {
		root.was, err = openDirectory(w.view.base, ".")
	}
	return w.enter(root, err)
}

func (w *walk) end() {
	for _, p := range w.places {
		p.close()
	}
}

// step takes the next name.
func (w *walk) step() error {
	here := &w.places[len(w.places)-1]
	if len(here.names) == 0 {
		w.truncated = here.cut
		here.close()
		w.places = w.places[:len(w.places)-1]
		return nil
	}
	name := here.names[0]
	here.names = here.names[1:]
	path := here.path + "/" + name
	now, err := stateOf(here.now, name, here.upper)
	if err != nil {
		return err
	}
	was, err := stateOf(here.was, name, false)
	if err != nil || now == nil && was == nil {
		return err
	}
	if w.left == 0 || len(path) > maxPath {
		w.truncated = true
		return nil
	}
	w.left--
	if err := w.report(protocol.Change{Path: protocol.PathText(path), Was: was, Now: now}); err != nil {
		return err
	}
	if isDirectory(now) || isDirectory(was) {
		return w.enter(w.open(here, name, path, isDirectory(now), isDirectory(was)))
	}
	return nil
}

// open opens a directory in another one. What the upper directory holds is laid over the base's directory of the same
// path, unless an attribute says that the base's is hidden, or that another of the base's is in its place. The latter
// is left to the kernel: below it the whole view is looked at.
func (w *walk) open(in *place, name, path string, isNow, was bool) (place, error) {
	const hides, moved = "trusted.overlay.opaque", "trusted.overlay.redirect"
	next := place{path: path, now: -1, was: -1, upper: in.upper}
	var err error
	if was {
		if next.was, err = openDirectory(in.was, name); err != nil {
			return next, err
		}
	}
	if !isNow {
		return next, nil
	}
	if next.now, err = openDirectory(in.now, name); err != nil || !in.upper {
		return next, err
	}
	isMoved, err := linux.HasAttribute(next.now, moved)
	if err != nil {
		return next, err
	}
	if isMoved {
		syscall.Close(next.now)
		next.upper = false
		flags := syscall.O_RDONLY | syscall.O_DIRECTORY
		next.now, err = linux.OpenResolving(w.view.whole, path[1:], flags, linux.ResolveNoSymlinks|linux.ResolveInRoot)
		if err != nil {
			next.now, err = -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
		return next, err
	}
	isHiding, err := linux.HasAttribute(next.now, hides)
	next.merged = in.merged && was && !isHiding
	return next, err
}

// enter makes a directory the one that the walk is in, unless it could not be opened. Only where it is merged does the
// upper directory alone know which names to look at.
func (w *walk) enter(next place, err error) error {
	w.places = append(w.places, next)
	if err != nil {
		return err
	}
	here := &w.places[len(w.places)-1]
	directories := []int{here.now}
	if !here.merged {
		directories = append(directories, here.was)
	}
	// One more, to know that there is more.
	here.names, here.cut, err = names(w.left+1, directories...)
	w.forgetBeyond(w.left + 1)
	return err
}

// forgetBeyond drops names that the walk cannot come to, since so many others come before: those of the directories
// above come after those of the directories in them. So a deep tree takes no more memory than a flat one.
func (w *walk) forgetBeyond(most int) {
	for i := len(w.places) - 1; i >= 0; i-- {
		p := &w.places[i]
		if len(p.names) > most {
			forget(p.names[most:])
			p.names, p.cut = p.names[:most], true
		}
		most -= len(p.names)
	}
}

func (p *place) close() {
	for _, fd := range []int{p.now, p.was} {
		if fd >= 0 {
			syscall.Close(fd)
		}
	}
}

func openDirectory(in int, name string) (int, error) {
	flags := syscall.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	fd, err := syscall.Openat(in, name, flags, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}
