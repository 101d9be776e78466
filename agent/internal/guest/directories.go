package guest

import (
	"io"
	"strings"

	"opensandbox/agent/internal/pack"
	"opensandbox/agent/internal/watch"
)

// Pack writes what is in a directory as a tar stream.
func (g *Guest) Pack(path string, to io.Writer) error {
	if !g.Ready() {
		return notSetUp()
	}
	return pack.Pack(absolute(path), to)
}

// Measure says how much Pack would write.
func (g *Guest) Measure(path string) (pack.Size, error) {
	if !g.Ready() {
		return pack.Size{}, notSetUp()
	}
	return pack.Measure(absolute(path))
}

// Unpack makes what a tar stream holds in a directory.
func (g *Guest) Unpack(path string, from io.Reader) (pack.Unpacked, error) {
	if !g.Ready() {
		return pack.Unpacked{}, notSetUp()
	}
	return pack.Unpack(absolute(path), from)
}

// Watch begins to watch a directory or a file.
func (g *Guest) Watch(path string, recursive bool) (*watch.Watcher, error) {
	if !g.Ready() {
		return nil, notSetUp()
	}
	return watch.Open(absolute(path), recursive)
}

// absolute takes a path that is not absolute from the workspace.
func absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return workspacePath + "/" + path
}
