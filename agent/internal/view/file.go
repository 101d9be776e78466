package view

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// workspace is what relative paths begin in.
const workspace = "workspace/"

// Read writes a regular file's content and answers its length. Links are followed inside the view. An error is a
// *protocol.Error unless it is the writer's.
func (v *View) Read(path string, limit int64, to io.Writer) (int64, error) {
	if !strings.HasPrefix(path, "/") {
		path = workspace + path
	}
	from, err := v.open(path, 0, linux.ResolveNoMagiclinks)
	if err != nil {
		return 0, failureOf(err)
	}
	defer from.close()
	if from.size > limit {
		return 0, protocol.Errorf(protocol.CodeTooLarge, "the file has %d bytes", from.size)
	}
	copied, err := io.CopyBuffer(to, io.LimitReader(from, from.size), make([]byte, protocol.MaxData))
	if from.err != nil {
		err = failureOf(from.err)
	}
	return copied, err
}

// Digest gives the SHA-256 of each regular file in hexadecimal; nil for anything else. Links are not followed. An
// error is a *protocol.Error.
func (v *View) Digest(paths []string) ([]*string, error) {
	digests := make([]*string, len(paths))
	buffer := make([]byte, 64*1024)
	for i, path := range paths {
		digest, err := v.digest(path, buffer)
		if err != nil && failureOf(err).Code == protocol.CodeIO {
			return nil, failureOf(err)
		}
		digests[i] = digest
	}
	return digests, nil
}

func (v *View) digest(path string, buffer []byte) (*string, error) {
	from, err := v.open(path, syscall.O_NOFOLLOW, linux.ResolveNoSymlinks)
	if err != nil {
		return nil, err
	}
	defer from.close()
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, from, buffer); err != nil {
		return nil, err
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	return &digest, nil
}

// content is an open regular file.
type content struct {
	fd   int
	size int64
	// Why it could not be read further.
	err error
}

var errNoFile = errors.New("this is no regular file")

// open opens a regular file, and nothing else: to open a device or a pipe may have effects.
func (v *View) open(path string, flags int, resolve uint64) (*content, error) {
	look, err := linux.OpenResolving(v.whole, path, flags|linux.OPath, resolve|linux.ResolveInRoot)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(look)
	var info syscall.Stat_t
	if err := syscall.Fstat(look, &info); err != nil {
		return nil, err
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, errNoFile
	}
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", look), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &content{fd: fd, size: info.Size}, nil
}

// Read reads on. It does without what os.File does to wait for other things than files: there are many small files.
func (c *content) Read(into []byte) (int, error) {
	for {
		n, err := syscall.Read(c.fd, into)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			c.err = err
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func (c *content) close() {
	syscall.Close(c.fd)
}

// failureOf says what an error is to the host.
func failureOf(err error) *protocol.Error {
	switch err {
	case errNoFile:
		return protocol.Errorf(protocol.CodeNotAFile, "%v", err)
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG:
		return protocol.Errorf(protocol.CodeNotFound, "%v", err)
	}
	return protocol.Errorf(protocol.CodeIO, "%v", err)
}
