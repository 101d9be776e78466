package files

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"opensandbox/agent/internal/protocol"
)

// Write puts the content in the place of a file's, or after it. Nothing has changed until all of the content has come
// without an error. Directories that are missing above the file are made; a link is followed, also to where nothing is
// yet. A new file has mode 0644 and belongs to root, one that was there keeps both, unless attributes say something else.
func (f Files) Write(path string, content io.Reader, appending bool, attributes Attributes) error {
	to, err := attributes.owner()
	if err != nil {
		return err
	}
	parent, name, err := f.destination(path)
	if err != nil {
		return failureOf(err)
	}
	made, err := makeDirectories(parent)
	if err == nil {
		if err = write(parent, name, content, appending, attributes, to); err != nil {
			made.undo()
		}
	}
	return failureOf(err)
}

func write(parent, name string, content io.Reader, appending bool, attributes Attributes, to owner) error {
	path := parent + name
	var old syscall.Stat_t
	err := syscall.Lstat(path, &old)
	exists := err == nil
	if err != nil && err != syscall.ENOENT {
		return err
	}
	if exists && old.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return errNoFile
	}
	d, err := newDraft(parent)
	if err != nil {
		return err
	}
	defer d.close()
	if _, err := io.CopyBuffer(justWriter{d.file}, content, make([]byte, 8*protocol.MaxData)); err != nil {
		return err
	}
	if exists && appending {
		if err := addTo(path, d.file); err != nil {
			return err
		}
		return attributes.set(path, to)
	}
	if exists {
		to = to.or(old)
	} else {
		old.Mode = 0o644
	}
	if err := settle(d.file, old.Mode, attributes, to); err != nil {
		return err
	}
	return d.become(name)
}

// settle gives a draft its attributes.
func settle(draft *os.File, mode uint32, attributes Attributes, to owner) error {
	if to.uid >= 0 || to.gid >= 0 {
		if err := draft.Chown(to.uid, to.gid); err != nil {
			return err
		}
	}
	if attributes.Mode != nil {
		mode = *attributes.Mode
	}
	return syscall.Fchmod(int(draft.Fd()), mode&^syscall.S_IFMT)
}

// addTo adds the content of a draft to the end of a file. Where that fails, the file has its old end again.
func addTo(path string, draft *os.File) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := draft.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(justWriter{file}, justReader{draft}, make([]byte, 8*protocol.MaxData)); err != nil {
		file.Truncate(end)
		return err
	}
	return nil
}

// maxLinks is how many links are followed one after the other, as the kernel has it.
const maxLinks = 40

// destination is where a path leads to that need not exist: the directory, and the name in it, which is no link.
func (f Files) destination(path string) (parent, name string, err error) {
	path = f.absolute(path)
	for i := 0; i < maxLinks; i++ {
		if parent, name, err = split(path); err != nil {
			return "", "", err
		}
		target, err := os.Readlink(parent + name)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOENT) {
			return parent, name, nil
		}
		if err != nil {
			return "", "", err
		}
		if path = target; !strings.HasPrefix(target, "/") {
			path = parent + target
		}
	}
	return "", "", syscall.ELOOP
}

// justWriter and justReader hide what else a file can do: the kernel may not copy to the end of a file by itself.
type (
	justWriter struct{ io.Writer }
	justReader struct{ io.Reader }
)
