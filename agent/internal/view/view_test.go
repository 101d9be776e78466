package view

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// layers are directories in the place of those that a machine mounts. Tests put into whole by hand what the kernel
// would show of the other two.
type layers struct {
	t                  *testing.T
	whole, upper, base string
}

func newLayers(t *testing.T) *layers {
	top := t.TempDir()
	l := &layers{t, top + "/whole", top + "/upper", top + "/base"}
	for _, path := range []string{l.whole, l.upper, l.base} {
		l.must(os.Mkdir(path, 0o755))
	}
	return l
}

func (l *layers) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// file makes a file with its own path as its content, and the directories that it is in.
func (l *layers) file(in string, paths ...string) {
	l.t.Helper()
	for _, path := range paths {
		l.directory(in, filepath.Dir(path))
		l.must(os.WriteFile(filepath.Join(in, path), []byte(path), 0o644))
	}
}

func (l *layers) directory(in, path string) {
	l.t.Helper()
	l.must(os.MkdirAll(filepath.Join(in, path), 0o755))
}

func (l *layers) whiteout(path string) {
	l.t.Helper()
	l.directory(l.upper, filepath.Dir(path))
	l.privileged(syscall.Mknod(filepath.Join(l.upper, path), syscall.S_IFCHR, 0))
}

// mark gives a directory of the upper one an attribute, as the kernel does.
func (l *layers) mark(path, attribute, value string) {
	l.t.Helper()
	l.directory(l.upper, path)
	l.privileged(syscall.Setxattr(filepath.Join(l.upper, path), "trusted.overlay."+attribute, []byte(value), 0))
}

func (l *layers) privileged(err error) {
	l.t.Helper()
	if err == syscall.EPERM || err == syscall.ENOTSUP {
		l.t.Skip("only root can do what the overlay file system does, and not everywhere")
	}
	l.must(err)
}

func (l *layers) view() *View {
	l.t.Helper()
	var fds []int
	for _, path := range []string{l.whole, l.upper, l.base} {
		fd, err := syscall.Open(path, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		l.must(err)
		l.t.Cleanup(func() { syscall.Close(fd) })
		fds = append(fds, fd)
	}
	return &View{fds[0], fds[1], fds[2]}
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
