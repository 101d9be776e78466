package pack

import (
	"archive/tar"
	"io"
	"os"
	"strings"
	"syscall"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// Unpacked is what was made of an archive.
type Unpacked struct {
	// Files counts everything: directories and links too.
	Files int64
	// Bytes of the regular files.
	Bytes int64
}

// Unpack makes in a directory, which is made if it is missing, what a tar stream holds: files, directories and links with
// their modes, owners and times. It takes the place of what is there by the same name, but not that of a directory that
// is there; what the stream does not name stays. Nothing outside the directory is touched, whatever the archive says: no
// name may be absolute or hold "..", and no link is followed on the way to one. Devices and pipes are refused.
//
// What was made before an error stays. An error is a *protocol.Error unless it is the reader's.
func Unpack(directory string, from io.Reader) (Unpacked, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return Unpacked{}, failureOf(err)
	}
	top, err := syscall.Open(directory, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return Unpacked{}, failureOf(err)
	}
	defer syscall.Close(top)
	var system syscall.Statfs_t
	if err := syscall.Fstatfs(top, &system); err != nil {
		return Unpacked{}, failureOf(err)
	}
	source := &source{from: from}
	u := &unpacker{top: top, room: int64(system.Blocks) * system.Bsize, buffer: make([]byte, 64*1024)}
	err = u.all(tar.NewReader(source))
	if err == nil {
		// Whoever sends may pad the archive's end.
		_, err = io.CopyBuffer(io.Discard, source, u.buffer)
	}
	if source.err != nil && source.err != io.EOF {
		// What the archive seems to lack then is not its fault.
		return u.unpacked, source.err
	}
	if err != nil {
		return u.unpacked, failureOf(err)
	}
	return u.unpacked, nil
}

// source remembers why there is no more to read.
type source struct {
	from io.Reader
	err  error
}

func (s *source) Read(into []byte) (int, error) {
	n, err := s.from.Read(into)
	if err != nil {
		s.err = err
	}
	return n, err
}

type unpacker struct {
	top int
	// No file can be larger, in bytes.
	room int64
	// The directories that the archive is in: each gets its mode and times once it is left.
	entered  []enteredDirectory
	buffer   []byte
	unpacked Unpacked
}

type enteredDirectory struct {
	path   string
	header *tar.Header
}

func (u *unpacker) all(archive *tar.Reader) error {
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return u.leave("")
		}
		if err != nil {
			return badArchive("it is no tar archive, or a damaged one")
		}
		if err := u.entry(header, archive); err != nil {
			failure := failureOf(err)
			return protocol.Errorf(failure.Code, "%.200q: %s", header.Name, failure.Message)
		}
	}
}

func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	path, err := clean(header.Name)
	if err != nil || path == "" {
		return err
	}
	if err := u.leave(path); err != nil {
		return err
	}
	above, name := split(path)
	parent, err := u.directory(above)
	if err != nil {
		return err
	}
	defer syscall.Close(parent)
	switch header.Typeflag {
	case tar.TypeDir:
		err = u.makeDirectory(parent, name, path, header)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		err = u.makeFile(parent, name, header, content)
	case tar.TypeSymlink:
		err = replacing(parent, name, func() error { return linux.Symlinkat(header.Linkname, parent, name) })
		if err == nil {
			err = describe(parent, name, header)
		}
	case tar.TypeLink:
		err = u.makeLink(parent, name, header.Linkname)
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return badArchive("it is no file, directory or link")
	}
	if err == nil {
		u.unpacked.Files++
	}
	return err
}

func (u *unpacker) makeDirectory(parent int, name, path string, header *tar.Header) error {
	err := syscall.Mkdirat(parent, name, 0o700)
	if err == syscall.EEXIST {
		info, err := linux.Lstatat(parent, name)
		if err != nil {
			return err
		}
		if info.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			if err := linux.Unlinkat(parent, name, 0); err != nil {
				return err
			}
			if err := syscall.Mkdirat(parent, name, 0o700); err != nil {
				return err
			}
		}
	} else if err != nil {
		return err
	}
	u.entered = append(u.entered, enteredDirectory{path, header})
	return nil
}

func (u *unpacker) makeFile(parent int, name string, header *tar.Header, content io.Reader) error {
	if header.Size > u.room {
		return badArchive("it is larger than the disk")
	}
	fd := -1
	err := replacing(parent, name, func() (err error) {
		flags := syscall.O_WRONLY | syscall.O_CREAT | syscall.O_EXCL | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
		fd, err = syscall.Openat(parent, name, flags, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err = u.copy(fd, content, header.Size); err == nil {
		err = describe(parent, name, header)
	}
	if err != nil {
		linux.Unlinkat(parent, name, 0)
		return err
	}
	u.unpacked.Bytes += header.Size
	return nil
}

// copy writes so many bytes of content to a file, with holes where they are zeros.
func (u *unpacker) copy(fd int, content io.Reader, size int64) error {
	for at := int64(0); at < size; {
		chunk := u.buffer
		if size-at < int64(len(chunk)) {
			chunk = chunk[:size-at]
		}
		if _, err := io.ReadFull(content, chunk); err != nil {
			return err
		}
		if err := writeAt(fd, chunk, at); err != nil {
			return err
		}
		at += int64(len(chunk))
	}
	return syscall.Ftruncate(fd, size)
}

// makeLink gives a file that is in the directory already another name.
func (u *unpacker) makeLink(parent int, name, target string) error {
	path, err := clean(target)
	if err != nil {
		return err
	}
	if path == "" {
		return badArchive("it links to a directory")
	}
	above, first := split(path)
	from, err := u.at(above)
	if err != nil {
		return err
	}
	defer syscall.Close(from)
	err = replacing(parent, name, func() error { return linux.Linkat(from, first, parent, name) })
	if err == syscall.ENOENT || err == syscall.EPERM {
		return badArchive("it links to " + target + ", which is no file that came before")
	}
	return err
}

// leave gives the directories that path is not in their modes and times: nothing changes in them any more.
func (u *unpacker) leave(path string) error {
	for len(u.entered) > 0 {
		last := u.entered[len(u.entered)-1]
		if path != "" && strings.HasPrefix(path, last.path+"/") {
			return nil
		}
		u.entered = u.entered[:len(u.entered)-1]
		above, name := split(last.path)
		parent, err := u.at(above)
		if err == nil {
			err = describe(parent, name, last.header)
			syscall.Close(parent)
		}
		// The sandbox's own programs may have moved it away.
		if err != nil && err != syscall.ENOENT {
			return err
		}
	}
	return nil
}

// directory opens the directory at a path, and makes it if it is missing.
func (u *unpacker) directory(path string) (int, error) {
	fd, err := u.at(path)
	if err != syscall.ENOENT || path == "" {
		return fd, err
	}
	above, name := split(path)
	parent, err := u.directory(above)
	if err != nil {
		return -1, err
	}
	err = syscall.Mkdirat(parent, name, 0o755)
	syscall.Close(parent)
	if err != nil && err != syscall.EEXIST {
		return -1, err
	}
	return u.at(path)
}

var errInTheWay = badArchive("a link or a file stands where it needs a directory")

// at opens the directory at a path, on the way to which there is no link.
func (u *unpacker) at(path string) (int, error) {
	if path == "" {
		path = "."
	}
	fd, err := linux.OpenResolving(u.top, path, syscall.O_RDONLY|syscall.O_DIRECTORY,
		linux.ResolveInRoot|linux.ResolveNoSymlinks|linux.ResolveNoMagiclinks)
	if err == syscall.ELOOP || err == syscall.ENOTDIR {
		return -1, errInTheWay
	}
	return fd, err
}

// replacing makes an entry, in the place of another one that is no directory.
func replacing(parent int, name string, make func() error) error {
	err := make()
	if err != syscall.EEXIST {
		return err
	}
	if err := linux.Unlinkat(parent, name, 0); err == syscall.EISDIR {
		return badArchive("a directory stands in its place")
	} else if err != nil && err != syscall.ENOENT {
		return err
	}
	return make()
}

// describe gives an entry the owner, the mode and the time that its header says.
func describe(parent int, name string, header *tar.Header) error {
	if err := syscall.Fchownat(parent, name, header.Uid, header.Gid, linux.AtSymlinkNofollow); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeSymlink {
		if err := chmod(parent, name, uint32(header.Mode&0o7777)); err != nil {
			return err
		}
	}
	return linux.SetModified(parent, name, syscall.Timespec{Sec: header.ModTime.Unix(), Nsec: int64(header.ModTime.Nanosecond())})
}

// chmod sets the mode of what is no link.
func chmod(parent int, name string, mode uint32) error {
	look, err := syscall.Openat(parent, name, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(look)
	return syscall.Fchmod(look, mode)
}

// The smallest hole that a file system makes, in bytes.
const pageSize = 4096

var zeros [pageSize]byte

// writeAt writes bytes at an offset that is a multiple of a page, except the pages of zeros.
func writeAt(fd int, bytes []byte, offset int64) error {
	for at := 0; at < len(bytes); {
		end := at
		for end < len(bytes) && !isHole(bytes[end:]) {
			end = next(end, len(bytes))
		}
		for at < end {
			n, err := syscall.Pwrite(fd, bytes[at:end], offset+int64(at))
			if err == syscall.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			at += n
		}
		if at < len(bytes) {
			at = next(at, len(bytes))
		}
	}
	return nil
}

func next(at, end int) int {
	if at += pageSize; at < end {
		return at
	}
	return end
}

func isHole(bytes []byte) bool {
	page := bytes[:next(0, len(bytes))]
	return string(page) == string(zeros[:len(page)])
}

// clean gives an entry's path without what means nothing; "" is the directory itself.
func clean(name string) (string, error) {
	if strings.HasPrefix(name, "/") || len(name) > maxPath || strings.ContainsRune(name, 0) {
		return "", badArchive("its path is absolute or too long")
	}
	var parts []string
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", badArchive(`its path holds ".."`)
		}
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}

func split(path string) (above, name string) {
	if at := strings.LastIndexByte(path, '/'); at >= 0 {
		return path[:at], path[at+1:]
	}
	return "", path
}
