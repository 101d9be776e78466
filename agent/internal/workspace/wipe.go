// Package workspace empties the directory that a user's commands work in.
package workspace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"opensandbox/agent/internal/linux"
)

var errTooLate = errors.New("the time for it is over")

// Wipe deletes everything in the directory and nothing else, whatever is in its way: links are not followed,
// mounts are detached, attributes that protect files are taken away. A directory that is missing, or something
// else in its place, becomes an empty directory. Running commands may add files meanwhile, so it looks again until
// there is nothing, or the deadline passes.
func Wipe(path string, deadline time.Time) error {
	w := &wiper{deadline: deadline}
	for {
		detachMounts(path)
		if err := makeDirectory(path); err != nil {
			return err
		}
		left, err := w.empty(path)
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d entries are left, the last because of: %w", left, w.trouble)
		}
		time.Sleep(againAfter)
	}
}

const againAfter = 10 * time.Millisecond

type wiper struct {
	deadline time.Time
	// The directory itself, to which what is too deep is moved.
	top     int
	moved   int
	trouble error
}

// Deeper than this a directory is moved up before it is emptied: each level takes a file descriptor.
const maxDepth = 64

// empty removes what it can, and answers how many entries at the top it could not.
func (w *wiper) empty(path string) (left int, err error) {
	w.trouble = errTooLate
	top, err := syscall.Open(path, syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(top)
	w.top = top
	unprotect(top)
	if err := syscall.Fchmod(top, 0o755); err != nil {
		return 0, &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	w.emptyDirectory(top, 0)
	return countEntries(top)
}

func (w *wiper) emptyDirectory(directory, depth int) {
	for {
		names, err := entries(directory)
		removed := 0
		for _, name := range names {
			if time.Now().After(w.deadline) {
				return
			}
			if err := w.remove(directory, name, depth); err != nil {
				w.trouble = &os.PathError{Op: "remove", Path: name, Err: err}
			} else {
				removed++
			}
		}
		if err != nil || removed == 0 {
			return
		}
	}
}

// remove removes one entry, with all that is in it.
func (w *wiper) remove(directory int, name string, depth int) error {
	err := linux.Unlinkat(directory, name, 0)
	if err == syscall.EISDIR {
		return w.removeDirectory(directory, name, depth)
	}
	if err == syscall.EPERM {
		unprotect(directory)
		unprotectEntry(directory, name)
		if err = linux.Unlinkat(directory, name, 0); err == syscall.EISDIR {
			return w.removeDirectory(directory, name, depth)
		}
	}
	return err
}

func (w *wiper) removeDirectory(parent int, name string, depth int) error {
	err := linux.Unlinkat(parent, name, linux.AtRemovedir)
	if err == nil {
		return nil
	}
	if err == syscall.EPERM {
		unprotect(parent)
	}
	if depth >= maxDepth {
		w.moved++
		return syscall.Renameat(parent, name, w.top, ".wiped-"+strconv.Itoa(os.Getpid())+"-"+strconv.Itoa(w.moved))
	}
	directory, err := openEntry(parent, name, syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	unprotect(directory)
	w.emptyDirectory(directory, depth+1)
	syscall.Close(directory)
	return linux.Unlinkat(parent, name, linux.AtRemovedir)
}

func openEntry(directory int, name string, flags int) (int, error) {
	flags |= syscall.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_CLOEXEC
	return syscall.Openat(directory, name, flags, 0)
}

// At most so many names are held at one time.
const batch = 1024

// entries lists the directory from its beginning, as far as one batch goes.
func entries(directory int) ([]string, error) {
	// A descriptor of its own, so that reading starts at the beginning.
	fd, err := syscall.Openat(directory, ".", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "directory")
	defer file.Close()
	names, err := file.Readdirnames(batch)
	if err == io.EOF {
		err = nil
	}
	return names, err
}

func countEntries(directory int) (int, error) {
	names, err := entries(directory)
	return len(names), err
}

func makeDirectory(path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		if parent, err := syscall.Open(filepath.Dir(path), syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0); err == nil {
			unprotectEntry(parent, filepath.Base(path))
			syscall.Close(parent)
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.Mkdir(path, 0o755)
}
