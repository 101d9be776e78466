package files

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"syscall"

	"opensandbox/agent/internal/linux"
)

// draft is a file in the making, in the directory where it shall be. Nobody comes upon it before it is complete, and
// where the file system can make files without a name nothing is left of it even if the machine ends.
type draft struct {
	file *os.File
	// Of the directory, with a slash at its end.
	parent string
	// Its path while it has a name of its own; empty while it has none.
	path string
}

func newDraft(parent string) (*draft, error) {
	d := &draft{parent: parent}
	fd, err := syscall.Open(parent, linux.OTmpfile|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err == nil {
		d.file = os.NewFile(uintptr(fd), parent)
		return d, nil
	}
	if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.EISDIR) {
		return nil, err
	}
	path := temporary(parent)
	if d.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	d.path = path
	return d, nil
}

// become puts the draft in the place of what has that name, if anything.
func (d *draft) become(name string) error {
	if d.path == "" {
		path := temporary(d.parent)
		if err := linux.NameFile(int(d.file.Fd()), path); err != nil {
			return err
		}
		d.path = path
	}
	if err := syscall.Rename(d.path, d.parent+name); err != nil {
		return err
	}
	d.path = ""
	return nil
}

// close lets go of the draft. If it has not become anything, it is gone.
func (d *draft) close() {
	d.file.Close()
	if d.path != "" {
		os.Remove(d.path)
	}
}

// temporary is a path in a directory that nobody else uses.
func temporary(parent string) string {
	random := make([]byte, 8)
	rand.Read(random)
	return parent + ".opensandbox-" + hex.EncodeToString(random)
}
