// Package pack carries whole directories out of the machine and into it, each as one tar stream.
package pack

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

const (
	// maxPath is how long a path in an archive may be, in bytes: as long as any program can reach.
	maxPath = 4095
	// So many names are read from a directory at one time.
	batch = 1024
	// So many files with several names are remembered, to be linked when they come again. Of more than that each name
	// becomes a file of its own.
	maxLinked = 100_000
)

// Pack writes what is in a directory as a tar stream, each directory right before what is in it. The directory itself is
// not in it. Left out are sockets, pipes and devices, what is mounted below, and paths that no program could reach. A
// file that changes meanwhile is in it with the length that it had first. An error is a *protocol.Error unless it is the
// writer's.
func Pack(path string, to io.Writer) error {
	buffered := bufio.NewWriterSize(to, protocol.MaxOutput)
	p := &packer{archive: tar.NewWriter(buffered), buffer: make([]byte, 64*1024)}
	err := p.all(path)
	if err == nil {
		err = p.archive.Close()
	}
	if err == nil {
		err = buffered.Flush()
	}
	return err
}

// Measure says how much Pack would put into an archive now. No file is opened for it. An error is a *protocol.Error.
func Measure(path string) (Size, error) {
	p := &packer{}
	err := p.all(path)
	return p.size, err
}

// Size is how much an archive holds.
type Size struct {
	// Files, directories and links.
	Files int64
	// Bytes of the files.
	Bytes int64
}

type inode struct {
	device, number uint64
}

type packer struct {
	// nil if it is only measured what there would be in it.
	archive *tar.Writer
	size    Size
	// The file system that the archive stays on.
	device uint64
	// The first name of each file that has several.
	linked map[inode]string
	buffer []byte
}

// all packs what is in the directory with that path.
func (p *packer) all(path string) error {
	top, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failureOf(err)
	}
	defer syscall.Close(top)
	var info syscall.Stat_t
	if err := syscall.Fstat(top, &info); err != nil {
		return failureOf(err)
	}
	p.device, p.linked = info.Dev, map[inode]string{}
	return p.directory(top, "")
}

// directory packs what is in a directory. path is "", or ends with a slash.
func (p *packer) directory(fd int, path string) error {
	// A descriptor of its own to read names from, since that is closed with its file.
	listing, err := syscall.Openat(fd, ".", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failureOf(err)
	}
	list := os.NewFile(uintptr(listing), "directory")
	defer list.Close()
	for {
		names, err := list.Readdirnames(batch)
		for _, name := range names {
			if err := p.entry(fd, path, name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return failureOf(err)
		}
	}
}

func (p *packer) entry(directory int, path, name string) error {
	info, err := linux.Lstatat(directory, name)
	if err == syscall.ENOENT {
		return nil
	}
	if err != nil {
		return failureOf(err)
	}
	path += name
	if len(path) > maxPath {
		return nil
	}
	header := &tar.Header{
		Format: tar.FormatPAX, Name: path, Mode: int64(info.Mode &^ syscall.S_IFMT), Uid: int(info.Uid), Gid: int(info.Gid),
		ModTime: time.Unix(info.Mtim.Sec, info.Mtim.Nsec),
	}
	switch info.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return p.inside(directory, name, header, info.Dev)
	case syscall.S_IFLNK:
		return p.link(directory, name, header)
	case syscall.S_IFREG:
		return p.file(directory, name, header, &info)
	}
	return nil
}

func (p *packer) inside(directory int, name string, header *tar.Header, device uint64) error {
	header.Typeflag = tar.TypeDir
	header.Name += "/"
	fd, err := syscall.Openat(directory, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ignoreGone(err)
	}
	defer syscall.Close(fd)
	if err := p.write(header); err != nil || device != p.device {
		return err
	}
	return p.directory(fd, header.Name)
}

func (p *packer) link(directory int, name string, header *tar.Header) error {
	target, err := linux.Readlinkat(directory, name)
	if err != nil {
		return ignoreGone(err)
	}
	header.Typeflag, header.Linkname = tar.TypeSymlink, target
	return p.write(header)
}

func (p *packer) file(directory int, name string, header *tar.Header, info *syscall.Stat_t) error {
	if info.Nlink > 1 {
		number := inode{info.Dev, info.Ino}
		if first, known := p.linked[number]; known {
			header.Typeflag, header.Linkname = tar.TypeLink, first
			return p.write(header)
		}
		if len(p.linked) < maxLinked {
			p.linked[number] = header.Name
		}
	}
	if p.archive == nil {
		header.Size = info.Size
		return p.write(header)
	}
	// Should it have become a pipe meanwhile, opening it must not wait.
	flags := syscall.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_CLOEXEC
	fd, err := syscall.Openat(directory, name, flags, 0)
	if err != nil {
		return ignoreGone(err)
	}
	defer syscall.Close(fd)
	var opened syscall.Stat_t
	if err := syscall.Fstat(fd, &opened); err != nil || opened.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil
	}
	header.Typeflag, header.Size = tar.TypeReg, opened.Size
	if err := p.write(header); err != nil {
		return err
	}
	return p.content(fd, opened.Size)
}

// content writes so many bytes of a file, zeros where it has become shorter.
func (p *packer) content(fd int, size int64) error {
	for ended := false; size > 0; {
		chunk := p.buffer
		if size < int64(len(chunk)) {
			chunk = chunk[:size]
		}
		n := len(chunk)
		if !ended {
			var err error
			if n, err = syscall.Read(fd, chunk); err == syscall.EINTR {
				continue
			} else if err != nil {
				return failureOf(err)
			}
		}
		if n == 0 {
			ended = true
			clear(p.buffer)
			continue
		}
		if _, err := p.archive.Write(chunk[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

func clear(bytes []byte) {
	for i := range bytes {
		bytes[i] = 0
	}
}

func (p *packer) write(header *tar.Header) error {
	p.size.Files++
	p.size.Bytes += header.Size
	if p.archive == nil {
		return nil
	}
	if err := p.archive.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	return nil
}

// ignoreGone makes no error of what was removed, or replaced, between the look at it and its opening.
func ignoreGone(err error) error {
	switch err {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.EINVAL, syscall.ENXIO:
		return nil
	}
	return failureOf(err)
}
