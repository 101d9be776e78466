package files

import (
	"io"
	"os"
	"syscall"

	"opensandbox/agent/internal/protocol"
)

// Content is a regular file that is open to be read.
type Content struct {
	// Size is what the file system says of its length. Some files, as those of the kernel, have more.
	Size int64
	file *os.File
}

// Open opens a regular file, and nothing else: to open a device or a pipe may have effects. A link is followed.
func (f Files) Open(path string) (*Content, error) {
	path = f.absolute(path)
	var info syscall.Stat_t
	if err := syscall.Stat(path, &info); err != nil {
		return nil, failureOf(err)
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, failureOf(errNoFile)
	}
	// Something else may be in its place by now.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, failureOf(err)
	}
	opened, err := file.Stat()
	if err == nil && !opened.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		file.Close()
		return nil, failureOf(err)
	}
	return &Content{Size: opened.Size(), file: file}, nil
}

// Copy writes the content from an offset on: all of it, or at most length bytes if there is a length. It answers how
// much that was.
func (c *Content) Copy(to io.Writer, offset int64, length *int64) (int64, error) {
	if _, err := c.file.Seek(offset, io.SeekStart); err != nil {
		return 0, failureOf(err)
	}
	var from io.Reader = justReader{c.file}
	if length != nil {
		from = io.LimitReader(from, *length)
	}
	copied, err := io.CopyBuffer(to, from, make([]byte, protocol.MaxData))
	return copied, failureOf(err)
}

// Close closes the file.
func (c *Content) Close() {
	c.file.Close()
}
