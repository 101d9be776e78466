// Package view looks at a disk's files without running anything of what is on it: how they differ from the read-only
// base, and what is in them.
package view

import (
	"os"
	"syscall"

	"opensandbox/agent/internal/linux"
)

// View is a machine's files as the user knows them, and the two directories that they are made of.
type View struct {
	// The root, without what the machine has mounted below it.
	whole int
	// The directory on the disk with all that differs from the base, as the overlay file system keeps it.
	upper int
	base  int
}

// Open views the root of this process, which is upper laid over base. Both stay open and must stay so.
func Open(upper, base int) (*View, error) {
	whole, err := linux.CloneMount("/")
	if err != nil {
		return nil, &os.PathError{Op: "clone mount", Path: "/", Err: err}
	}
	return &View{whole, upper, base}, nil
}

// Close ends the view.
func (v *View) Close() {
	syscall.Close(v.whole)
}
