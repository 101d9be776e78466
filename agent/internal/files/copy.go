package files

import (
	"io"
	"os"
	"syscall"

	"opensandbox/agent/internal/entry"
	"opensandbox/agent/internal/linux"
)

// Rename gives something another name, also in another directory; those missing above it are made. What has that name
// already is replaced only if overwrite says so, and never a directory that holds something. A link is renamed itself.
func (f Files) Rename(from, to string, overwrite bool) error {
	fromParent, fromName, err := split(f.absolute(from))
	if err != nil {
		return failureOf(err)
	}
	toParent, toName, err := split(f.absolute(to))
	if err != nil {
		return failureOf(err)
	}
	if _, err := os.Lstat(fromParent + fromName); err != nil {
		return failureOf(err)
	}
	made, err := makeDirectories(toParent)
	if err != nil {
		return failureOf(err)
	}
	if err := rename(fromParent+fromName, toParent+toName, overwrite); err != nil {
		made.undo()
		return failureOf(err)
	}
	return nil
}

func rename(from, to string, overwrite bool) error {
	if overwrite {
		return syscall.Rename(from, to)
	}
	return linux.RenameNew(from, to)
}

// Copy copies a file, or a directory with all that is in it: contents, modes, owners and the times of changes; links as
// links. Directories missing above the copy are made. What has its name already is replaced only if overwrite says so,
// and never a directory that holds something. Until it is complete there is nothing by that name; if it fails, or
// cancelled says that nobody waits for it any more, nothing is left.
func (f Files) Copy(from, to string, overwrite bool, cancelled func() bool) error {
	from = f.absolute(from)
	parent, name, err := split(f.absolute(to))
	if err != nil {
		return failureOf(err)
	}
	if _, err := os.Lstat(from); err != nil {
		return failureOf(err)
	}
	if !overwrite {
		// All that copying need not be done first.
		if _, err := os.Lstat(parent + name); err == nil {
			return failureOf(syscall.EEXIST)
		}
	}
	made, err := makeDirectories(parent)
	if err != nil {
		return failureOf(err)
	}
	c := &copying{cancelled: cancelled, top: temporary(parent), buffer: make([]byte, 256*1024)}
	if err = c.copy(from, c.top); err == nil {
		err = rename(c.top, parent+name, overwrite)
	}
	if err != nil {
		os.RemoveAll(c.top)
		made.undo()
	}
	return failureOf(err)
}

type copying struct {
	cancelled func() bool
	// Where the copy grows, and what is known of it once it is a directory: in a copy of what it is itself in, it is
	// left out.
	top           string
	device, inode uint64
	buffer        []byte
}

func (c *copying) copy(from, to string) error {
	if c.cancelled() {
		return errCancelled
	}
	var info syscall.Stat_t
	if err := syscall.Lstat(from, &info); err != nil {
		return err
	}
	if c.device == info.Dev && c.inode == info.Ino {
		return nil
	}
	var err error
	switch info.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		err = c.copyFile(from, to)
	case syscall.S_IFDIR:
		err = c.copyDirectory(from, to)
	case syscall.S_IFLNK:
		return copyLink(from, to, info)
	default:
		err = syscall.Mknod(to, info.Mode, int(info.Rdev))
	}
	if err != nil {
		return err
	}
	if err := os.Lchown(to, int(info.Uid), int(info.Gid)); err != nil {
		return err
	}
	if err := syscall.Chmod(to, info.Mode&^syscall.S_IFMT); err != nil {
		return err
	}
	return syscall.UtimesNano(to, []syscall.Timespec{info.Atim, info.Mtim})
}

func (c *copying) copyFile(from, to string) error {
	source, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(justWriter{target}, cancellable{source, c.cancelled}, c.buffer)
	if closed := target.Close(); err == nil {
		err = closed
	}
	return err
}

// cancellable reads until nobody waits for it any more.
type cancellable struct {
	io.Reader
	cancelled func() bool
}

func (c cancellable) Read(into []byte) (int, error) {
	if c.cancelled() {
		return 0, errCancelled
	}
	return c.Reader.Read(into)
}

// maxNames is how many names of one directory are in memory at a time.
const maxNames = 1_000_000

func (c *copying) copyDirectory(from, to string) error {
	directory, err := syscall.Open(from, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	names, cut, err := entry.Names(maxNames, directory)
	syscall.Close(directory)
	if err != nil {
		return err
	}
	if cut {
		return syscall.EFBIG
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	if to == c.top {
		var info syscall.Stat_t
		if err := syscall.Lstat(to, &info); err != nil {
			return err
		}
		c.device, c.inode = info.Dev, info.Ino
	}
	for _, name := range names {
		if err := c.copy(from+"/"+name, to+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

func copyLink(from, to string, info syscall.Stat_t) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	return os.Lchown(to, int(info.Uid), int(info.Gid))
}
