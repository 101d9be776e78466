// Package watch tells what happens to the files in a directory, or to one file, as far as the kernel's inotify does.
package watch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"opensandbox/agent/internal/protocol"
)

// Type says what happened.
type Type string

// The types of events.
const (
	Create Type = "create"
	// Change: of the content, the mode, the owner or the times.
	Change Type = "change"
	Delete Type = "delete"
	Rename Type = "rename"
	// Overflow: events were lost, since nobody took them in time. The watch goes on.
	Overflow Type = "overflow"
)

// Event is something that happened.
type Event struct {
	Type Type
	// The absolute path that it happened to; "" for an overflow.
	Path string
	// Where that is now, after a rename.
	To string
}

// Directories that one watch can hold. The kernel allows some 8,000 to all programs together.
const maxDirectories = 8_000

// How long the second half of a rename may come after the first.
const pairing = 20 * time.Millisecond

// After each report events gather for so long: a program that changes many files would wait for each to be told otherwise.
const rest = 10 * time.Millisecond

// Watcher watches one directory, and if it is recursive those below, or one file. Links are not followed, and other file systems that
// are mounted below not watched.
//
// There is no queue here: events that are not taken wait in the kernel, whose queue says when it overflowed.
type Watcher struct {
	root      string
	recursive bool
	// The file in the root that is watched; nil if that is all in it.
	file   *single
	device uint64
	tree   *tree
	buffer []byte
	// What was read and not yet handled.
	waiting []notice
	// How often all that the kernel held was read.
	emptied int
	// What happened and was not yet reported.
	events []Event
	report func([]Event) error

	mu     sync.Mutex
	queue  *os.File
	closed bool
}

// Open begins to watch a directory or a regular file: what happens from now on is told by Run. An error is a
// *protocol.Error.
func Open(path string, recursive bool) (*Watcher, error) {
	var info syscall.Stat_t
	if err := syscall.Stat(path, &info); err != nil {
		return nil, failureOf(err)
	}
	w := &Watcher{root: filepath.Clean(path), recursive: recursive, device: info.Dev, buffer: make([]byte, 64*1024)}
	switch info.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
	case syscall.S_IFREG:
		file, err := singleOf(path)
		if err != nil {
			return nil, failureOf(err)
		}
		w.file, w.root, w.recursive = file, file.directory, false
	default:
		return nil, failureOf(syscall.ENOTDIR)
	}
	if err := w.begin(); err != nil {
		w.Close()
		return nil, failureOf(err)
	}
	return w, nil
}

// Close ends the watch, and Run with it.
func (w *Watcher) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.queue.Close()
}

func (w *Watcher) current() *os.File {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue
}

// take goes on with another queue.
func (w *Watcher) take(queue *os.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue != nil {
		w.queue.Close()
	}
	w.queue = queue
	if w.closed {
		queue.Close()
	}
}

func (w *Watcher) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// Run reports what happens until the watch is closed, the directory (of a file: the one that it is in) is gone, which is
// reported, or report fails. An
// error is a *protocol.Error unless it is report's.
func (w *Watcher) Run(report func([]Event) error) error {
	w.report = report
	for {
		err := w.step()
		if err == nil {
			continue
		}
		if errors.Is(err, errGone) {
			err = w.flush()
		}
		var number syscall.Errno
		switch {
		case w.isClosed():
			return nil
		case errors.Is(err, errTooMany), errors.As(err, &number):
			return failureOf(err)
		}
		return err
	}
}

// step handles the next notice.
func (w *Watcher) step() error {
	if len(w.waiting) == 0 {
		told := len(w.events) > 0
		if err := w.flush(); err != nil {
			return err
		}
		if told {
			time.Sleep(rest)
		}
		if err := w.read(time.Time{}); err != nil {
			return err
		}
	}
	if len(w.waiting) == 0 {
		return nil
	}
	next := w.waiting[0]
	w.waiting = w.waiting[1:]
	return w.handle(next)
}

// maxEvents are reported at one time.
const maxEvents = 256

func (w *Watcher) tell(event Event) error {
	if w.file != nil {
		var meant bool
		if event, meant = w.file.narrow(event); !meant {
			return nil
		}
	}
	w.events = append(w.events, event)
	if len(w.events) < maxEvents {
		return nil
	}
	return w.flush()
}

func (w *Watcher) flush() error {
	if len(w.events) == 0 {
		return nil
	}
	events := w.events
	w.events = nil
	return w.report(events)
}

var errGone = errors.New("the directory is gone")

const (
	interest = syscall.IN_CREATE | syscall.IN_DELETE | syscall.IN_MODIFY | syscall.IN_ATTRIB | syscall.IN_MOVED_FROM |
		syscall.IN_MOVED_TO | syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF
	// Only directories, no links to any, and nothing of what has lost its name already.
	manner = syscall.IN_ONLYDIR | syscall.IN_EXCL_UNLINK
)

// begin opens a new queue and watches all that is to be watched.
func (w *Watcher) begin() error {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return err
	}
	w.take(os.NewFile(uintptr(fd), "inotify"))
	w.tree, w.waiting = newTree(w.root), nil
	wd, err := w.add(w.root, 0)
	if err != nil {
		return err
	}
	w.tree.root.wd = wd
	w.tree.watched[wd] = w.tree.root
	if !w.recursive {
		return nil
	}
	return w.scan(w.tree.root, false)
}

// again begins anew after the queue overflowed: directories may have come and gone that nobody heard of.
func (w *Watcher) again() error {
	err := w.begin()
	if err == syscall.ENOENT || err == syscall.ENOTDIR {
		return w.gone()
	}
	if err != nil {
		return err
	}
	if w.file != nil {
		w.file.look()
	}
	return w.tell(Event{Type: Overflow})
}

func (w *Watcher) gone() error {
	if err := w.tell(Event{Type: Delete, Path: w.root}); err != nil {
		return err
	}
	return errGone
}

func (w *Watcher) add(path string, flags uint32) (wd int, err error) {
	err = w.control(func(queue int) (err error) {
		wd, err = syscall.InotifyAddWatch(queue, path, interest|manner|flags)
		return err
	})
	return wd, err
}

// control does something with the queue's descriptor, which stays open meanwhile.
func (w *Watcher) control(act func(queue int) error) error {
	connection, err := w.current().SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := connection.Control(func(fd uintptr) { failed = act(int(fd)) }); err != nil {
		return err
	}
	return failed
}

var errTooMany = errors.New("there are too many directories to watch")

// scan watches the directories in a directory. told says whether what is in them is new, and therefore reported.
func (w *Watcher) scan(from *node, told bool) error {
	path := from.path()
	entries, err := os.Open(path + "/")
	if err != nil {
		// It was removed or moved again; that will be told.
		return nil
	}
	defer entries.Close()
	for {
		names, err := entries.Readdirnames(1024)
		for _, name := range names {
			if err := w.found(from, path, name, told); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

func (w *Watcher) found(in *node, path, name string, told bool) error {
	path += "/" + name
	if told {
		in.found(name, w.emptied)
		if err := w.tell(Event{Type: Create, Path: path}); err != nil {
			return err
		}
	}
	return w.enter(in, path, name, told)
}

// enter watches what a directory has by that name, if that is a directory.
func (w *Watcher) enter(in *node, path, name string, told bool) error {
	if !w.recursive {
		return nil
	}
	var info syscall.Stat_t
	if syscall.Lstat(path, &info) != nil || info.Mode&syscall.S_IFMT != syscall.S_IFDIR || info.Dev != w.device {
		return nil
	}
	wd, err := w.add(path, syscall.IN_DONT_FOLLOW)
	switch err {
	case nil:
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP:
		return nil
	case syscall.ENOSPC:
		return errTooMany
	default:
		return err
	}
	if len(w.tree.watched) >= maxDirectories && w.tree.watched[wd] == nil {
		return errTooMany
	}
	return w.scan(w.tree.attach(in, name, wd), told)
}

// handle reports what a notice says, and watches the directories that come.
func (w *Watcher) handle(n notice) error {
	if n.mask&syscall.IN_Q_OVERFLOW != 0 {
		return w.again()
	}
	at := w.tree.watched[n.wd]
	if at == nil {
		return nil
	}
	if n.mask&(syscall.IN_DELETE_SELF|syscall.IN_MOVE_SELF|syscall.IN_UNMOUNT) != 0 && at == w.tree.root {
		return w.gone()
	}
	if n.mask&syscall.IN_IGNORED != 0 {
		w.tree.forget(at)
		return nil
	}
	if n.name == "" {
		// What a directory's own watch says of it, the one of the directory that it is in says too.
		if at == w.tree.root && n.mask&syscall.IN_ATTRIB != 0 {
			return w.tell(Event{Type: Change, Path: w.root})
		}
		return nil
	}
	path := at.path() + "/" + n.name
	switch {
	case n.mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO) != 0:
		if at.knows(n.name, w.emptied) {
			return nil
		}
		return w.created(at, path, n)
	case n.mask&syscall.IN_DELETE != 0:
		at.lost(n.name)
		return w.tell(Event{Type: Delete, Path: path})
	case n.mask&syscall.IN_MOVED_FROM != 0:
		at.lost(n.name)
		return w.movedFrom(at, path, n)
	case n.mask&(syscall.IN_MODIFY|syscall.IN_ATTRIB) != 0:
		return w.changed(path, n)
	}
	return nil
}

func (w *Watcher) created(in *node, path string, n notice) error {
	if err := w.tell(Event{Type: Create, Path: path}); err != nil || n.mask&syscall.IN_ISDIR == 0 {
		return err
	}
	return w.enter(in, path, n.name, true)
}

// changed reports a change, unless another one of the same file waits already.
func (w *Watcher) changed(path string, n notice) error {
	const change = syscall.IN_MODIFY | syscall.IN_ATTRIB
	if len(w.waiting) > 0 {
		if next := w.waiting[0]; next.wd == n.wd && next.name == n.name && next.mask&change != 0 {
			return nil
		}
	}
	return w.tell(Event{Type: Change, Path: path})
}

// movedFrom looks for the other half of a rename. Without it the file has left what is watched.
func (w *Watcher) movedFrom(from *node, path string, n notice) error {
	to, err := w.otherHalf(n.cookie)
	if err != nil {
		return err
	}
	if to == nil {
		if moved := from.children[n.name]; moved != nil {
			w.unwatch(moved)
		}
		return w.tell(Event{Type: Delete, Path: path})
	}
	in := w.tree.watched[to.wd]
	if in.knows(to.name, w.emptied) {
		// A look into a new directory has found it at its new place before this was read.
		return w.tell(Event{Type: Delete, Path: path})
	}
	in.lost(to.name)
	target := in.path() + "/" + to.name
	if err := w.tell(Event{Type: Rename, Path: path, To: target}); err != nil || n.mask&syscall.IN_ISDIR == 0 {
		return err
	}
	if replaced := in.children[to.name]; replaced != nil {
		w.unwatch(replaced)
	}
	if moved := from.children[n.name]; moved != nil {
		w.tree.attach(in, to.name, moved.wd)
		return nil
	}
	// It came and went before it could be watched at its old place.
	return w.enter(in, target, to.name, true)
}

// otherHalf takes the notice of where something was moved to out of those that wait; nil when it is none that is watched.
func (w *Watcher) otherHalf(cookie uint32) (*notice, error) {
	for deadline := time.Now().Add(pairing); ; {
		for i, next := range w.waiting {
			if next.cookie == cookie && next.mask&syscall.IN_MOVED_TO != 0 && w.tree.watched[next.wd] != nil {
				w.waiting = append(w.waiting[:i:i], w.waiting[i+1:]...)
				return &next, nil
			}
		}
		if len(w.waiting) >= maxWaiting {
			return nil, nil
		}
		if err := w.read(deadline); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// unwatch forgets a directory that is no longer there, and those below.
func (w *Watcher) unwatch(gone *node) {
	for _, child := range gone.children {
		w.unwatch(child)
	}
	w.control(func(queue int) error {
		_, err := syscall.InotifyRmWatch(queue, uint32(gone.wd))
		return err
	})
	w.tree.forget(gone)
}

// failureOf says what an error is to the host.
func failureOf(err error) *protocol.Error {
	var number syscall.Errno
	errors.As(err, &number)
	switch {
	case errors.Is(err, errTooMany), number == syscall.ENOSPC, number == syscall.EMFILE:
		return protocol.Errorf(protocol.CodeTooLarge, "%v: at most %d", errTooMany, maxDirectories)
	case number == syscall.ENOENT, number == syscall.ELOOP, number == syscall.ENAMETOOLONG:
		return protocol.Errorf(protocol.CodeNotFound, "%v", err)
	case number == syscall.ENOTDIR:
		return protocol.Errorf(protocol.CodeNotADirectory, "%v", err)
	}
	return protocol.Errorf(protocol.CodeIO, "%s", strings.ToValidUTF8(err.Error(), "?"))
}
