package guest

import (
	"io"

	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/view"
)

// Changes reports how the disk differs from the base, and whether there is more than that.
func (g *Guest) Changes(limit int, report func(protocol.Change) error) (truncated bool, err error) {
	files, err := g.view()
	if err != nil {
		return false, err
	}
	defer files.Close()
	truncated, err = files.Changes(limit, report)
	if err != nil {
		return false, protocol.Errorf(protocol.CodeIO, "%v", err)
	}
	return truncated, nil
}

// Read writes a file's content, and answers its length.
func (g *Guest) Read(path string, limit int64, to io.Writer) (int64, error) {
	files, err := g.view()
	if err != nil {
		return 0, err
	}
	defer files.Close()
	return files.Read(path, limit, to)
}

// Digest answers with the digest of each file; nil for what is none.
func (g *Guest) Digest(paths []string) ([]*string, error) {
	files, err := g.view()
	if err != nil {
		return nil, err
	}
	defer files.Close()
	return files.Digest(paths)
}

func (g *Guest) view() (*view.View, error) {
	mounted, err := g.mounted()
	if err != nil {
		return nil, err
	}
	files, err := mounted.View()
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeIO, "%v", err)
	}
	return files, nil
}
