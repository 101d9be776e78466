package view

import "opensandbox/agent/internal/protocol"

// maxPath is how long a path may be for any program to reach it, in bytes.
const maxPath = 4095

// Changes reports each path at which the disk may differ from the base: every directory right before what is in it,
// names in the order of their bytes. It stops when there are more than limit, or at a path that is too long for any
// program, and says so.
func (v *View) Changes(limit int, report func(protocol.Change) error) (truncated bool, err error) {
	w := &walk{view: v, left: limit, report: report}
	defer w.end()
	err = w.begin()
	for err == nil && len(w.places) > 0 && !w.truncated {
		err = w.step()
	}
	return w.truncated, err
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

func (w *walk) begin() error {
	root, err := w.view.root()
	var was, now *protocol.FileState
	if err == nil {
		was, now, err = root.states(".")
	}
	if err == nil {
		err = w.tell("/", was, now)
	}
	return w.enter(root, err)
}

// step looks at the next name.
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
	was, now, err := here.states(name)
	if err != nil || was == nil && now == nil {
		return err
	}
	path := here.path + "/" + name
	if w.left == 0 || len(path) > maxPath {
		w.truncated = true
		return nil
	}
	if err := w.tell(path, was, now); err != nil {
		return err
	}
	if isDirectory(was) || isDirectory(now) {
		return w.enter(w.view.inside(here, name, isDirectory(was), isDirectory(now)))
	}
	return nil
}

func (w *walk) tell(path string, was, now *protocol.FileState) error {
	w.left--
	return w.report(protocol.Change{Path: protocol.PathText(path), Was: was, Now: now})
}

// enter goes on in a place, unless there was an error on the way to it. One name more than may be reported is kept, to
// know that there is more.
func (w *walk) enter(next place, err error) error {
	w.places = append(w.places, next)
	if err != nil {
		return err
	}
	if err := w.places[len(w.places)-1].list(w.left + 1); err != nil {
		return err
	}
	w.forget(w.left + 1)
	return nil
}

// forget drops names that the walk cannot come to, since so many others come before: those of a directory come after
// those of the directories in it. So a deep tree takes no more memory than a flat one.
func (w *walk) forget(most int) {
	for i := len(w.places) - 1; i >= 0; i-- {
		w.places[i].keep(most)
		most -= len(w.places[i].names)
	}
}

func (w *walk) end() {
	for i := range w.places {
		w.places[i].close()
	}
}
