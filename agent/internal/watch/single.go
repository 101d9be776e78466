package watch

import (
	"path/filepath"
	"syscall"
)

// single narrows what happens in a directory down to one file: to its name, whatever file has it. A file that is replaced,
// as most programs do it that save one, is watched on.
type single struct {
	// As events say it.
	path string
	// Where the directory's watch sees it.
	seen, directory string
	// Whether anything has the name.
	present bool
}

// singleOf is that of a regular file; a link is followed.
func singleOf(path string) (*single, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	return &single{path: filepath.Clean(path), seen: real, directory: filepath.Dir(real), present: true}, nil
}

// look finds out whether the file is there, after events were lost.
func (s *single) look() {
	var info syscall.Stat_t
	s.present = syscall.Lstat(s.seen, &info) == nil
}

// narrow says what an event means to the file; false if nothing.
func (s *single) narrow(event Event) (Event, bool) {
	switch {
	case event.Type == Overflow:
		return event, true
	case event.To == s.seen, event.Path == s.seen && event.Type == Create:
		event = Event{Type: Create, Path: s.path}
		if s.present {
			event.Type = Change
		}
		s.present = true
		return event, true
	case event.Path == s.seen, event.Path == s.directory && event.Type == Delete && s.present:
		s.present = event.Type == Change
		event.Path = s.path
		return event, true
	}
	return event, false
}
