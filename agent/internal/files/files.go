// Package files reads and changes the guest's files for the host, one by one.
package files

import (
	"os"
	"strings"
	"syscall"

	"opensandbox/agent/internal/entry"
	"opensandbox/agent/internal/protocol"
)

// Files are those that the guest's programs see.
type Files struct {
	// Workspace is the directory that relative paths begin in.
	Workspace string
}

// Stat says what a file is; a link is followed. The error of this method and of all others is a *protocol.Error, unless
// it is of what the caller gave to read from or write to.
func (f Files) Stat(path string) (protocol.FileState, error) {
	path = f.absolute(path)
	var info syscall.Stat_t
	err := syscall.Stat(path, &info)
	if err == syscall.ENOTDIR {
		// Below what is no directory there is nothing.
		err = syscall.ENOENT
	}
	if err != nil {
		return protocol.FileState{}, failureOf(err)
	}
	state, err := entry.Describe(-1, "", &info)
	if err != nil {
		return protocol.FileState{}, failureOf(err)
	}
	return *state, nil
}

// Mkdir makes a directory and those above it. Something may be there by that name only if it is none of these.
func (f Files) Mkdir(path string, attributes Attributes) error {
	parent, name, err := split(f.absolute(path))
	if err != nil {
		return failureOf(err)
	}
	owner, err := attributes.owner()
	if err != nil {
		return err
	}
	made, err := makeDirectories(parent)
	if err != nil {
		return failureOf(err)
	}
	if err := os.Mkdir(parent+name, 0o755); err != nil {
		made.undo()
		return failureOf(err)
	}
	if err := attributes.set(parent+name, owner); err != nil {
		append(made, parent+name).undo()
		return failureOf(err)
	}
	return nil
}

// Remove removes a file, a link but not what it leads to, or a directory; one that holds something only if recursive.
func (f Files) Remove(path string, recursive bool) error {
	parent, name, err := split(f.absolute(path))
	if err != nil {
		return failureOf(err)
	}
	path = parent + name
	if _, err := os.Lstat(path); err != nil {
		return failureOf(err)
	}
	if recursive {
		return failureOf(os.RemoveAll(path))
	}
	return failureOf(os.Remove(path))
}

// SetAttributes sets the mode and the owner of a file, as far as they are given. A link is followed.
func (f Files) SetAttributes(path string, attributes Attributes) error {
	owner, err := attributes.owner()
	if err != nil {
		return err
	}
	return failureOf(attributes.set(f.absolute(path), owner))
}

func (f Files) absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return f.Workspace + "/" + path
}

// split gives the directory of a path, with a slash at its end, and the name in it. There is no name for the root, and
// none for a directory as it is seen from inside. Nothing is resolved: what `..` means depends on links.
func split(path string) (parent, name string, err error) {
	path = strings.TrimRight(path, "/")
	at := strings.LastIndexByte(path, '/') + 1
	parent, name = path[:at], path[at:]
	if name == "" || name == "." || name == ".." {
		return "", "", syscall.EINVAL
	}
	return parent, name, nil
}

// directories were made on the way to something, the outermost first.
type directories []string

// makeDirectories makes a directory and those above it, as far as they are missing.
func makeDirectories(path string) (made directories, err error) {
	var missing []string
	for {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return nil, syscall.ENOTDIR
		}
		if err == nil {
			break
		}
		if !os.IsNotExist(err) {
			return nil, err
		}
		if strings.HasSuffix(path, "/./") {
			path = path[:len(path)-2]
			continue
		}
		missing = append(missing, path)
		if path, _, err = split(path); err != nil {
			return nil, err
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		// Someone else may have made it meanwhile.
		err := os.Mkdir(missing[i], 0o755)
		if err == nil {
			made = append(made, missing[i])
		} else if !os.IsExist(err) {
			made.undo()
			return nil, err
		}
	}
	return made, nil
}

// undo removes those that are still empty.
func (d directories) undo() {
	for i := len(d) - 1; i >= 0; i-- {
		os.Remove(d[i])
	}
}
