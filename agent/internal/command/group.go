package command

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"opensandbox/agent/internal/linux"
)

// The groups of commands are in one of these, which share the processor equally: however many processes run in the
// background, a command that is waited for does not queue behind each of them.
const (
	foreground = "foreground"
	background = "background"
)

// Groups makes a control group for each command, so that all that a command started can be found and killed,
// whatever sessions and process groups it hid in.
type Groups struct {
	// Held open, because a command may mount something else over the path.
	parent int

	mu      sync.Mutex
	count   int
	retired []string
	// Made ahead of time, for the next command in the foreground.
	spare *group
}

// OpenGroups makes groups below the directory of an existing control group, which divides the processor among those
// directly below it.
func OpenGroups(path string) (*Groups, error) {
	fd, err := syscall.Open(path, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	for _, share := range []string{foreground, background} {
		if err := syscall.Mkdirat(fd, share, 0o755); err != nil && !errors.Is(err, syscall.EEXIST) {
			syscall.Close(fd)
			return nil, &os.PathError{Op: "mkdir", Path: share, Err: err}
		}
	}
	groups := &Groups{parent: fd}
	groups.prepare()
	return groups, nil
}

// Freeze has all processes of all groups stand still, or go on: none carries out an instruction after it, though what the
// kernel has begun for one may still come to its end.
func (g *Groups) Freeze(frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}
	return write(g.parent, "cgroup.freeze", value)
}

type group struct {
	parent int
	// Relative to the parent.
	path string
}

func (g *Groups) create(inBackground bool) (*group, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if inBackground {
		return g.make(background)
	}
	if spare := g.spare; spare != nil {
		g.spare = nil
		// It is there to be seen, and a command may have removed it.
		if spare.exists() {
			return spare, nil
		}
	}
	return g.make(foreground)
}

// prepare makes a group for the next command in the foreground, unless there is one: to make it takes as long as to start
// a small program. Where that fails the command finds out.
func (g *Groups) prepare() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spare == nil {
		g.spare, _ = g.make(foreground)
	}
}

func (g *Groups) make(share string) (*group, error) {
	g.count++
	path := share + "/cmd-" + strconv.Itoa(g.count)
	if err := syscall.Mkdirat(g.parent, path, 0o755); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return &group{g.parent, path}, nil
}

// retire removes the group of a command that is over, and prepares one for the next. When processes of it still run, later
// calls try again.
func (g *Groups) retire(done *group) {
	g.remove(done)
	g.prepare()
}

func (g *Groups) remove(done *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := g.retired[:0]
	for _, path := range append(g.retired, done.path) {
		if err := linux.Unlinkat(g.parent, path, linux.AtRemovedir); errors.Is(err, syscall.EBUSY) {
			kept = append(kept, path)
		}
	}
	g.retired = kept
}

func (g *group) exists() bool {
	const toBeThere = 0
	return syscall.Faccessat(g.parent, g.path, toBeThere, 0) == nil
}

func (g *group) add(pid int) error {
	return g.write("cgroup.procs", strconv.Itoa(pid))
}

func (g *group) kill() error {
	return g.write("cgroup.kill", "1")
}

func (g *group) write(file, value string) error {
	return write(g.parent, g.path+"/"+file, value)
}

func write(directory int, file, value string) error {
	fd, err := syscall.Openat(directory, file, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: file, Err: err}
	}
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte(value)); err != nil {
		return &os.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

// waitEmpty waits until no process is left in the group, and says whether that came about in time.
func (g *group) waitEmpty(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); !g.empty(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func (g *group) empty() bool {
	fd, err := syscall.Openat(g.parent, g.path+"/cgroup.procs", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, make([]byte, 16))
	return n <= 0 || err != nil
}
