package files

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"opensandbox/agent/internal/protocol"
)

// Attributes are what a file shall have; what is nil stays, or is as usual for a new file.
type Attributes struct {
	Mode *uint32
	// Owner is as chown takes it: a user, or a user and a group with a colon between, each a name or a number.
	Owner *string
}

// owner is whom a file shall belong to; -1 for what stays.
type owner struct{ uid, gid int }

func (a Attributes) owner() (owner, error) {
	if a.Owner == nil {
		return owner{-1, -1}, nil
	}
	name, group, grouped := strings.Cut(*a.Owner, ":")
	uid, ok := number(name)
	if !ok {
		known, err := user.Lookup(name)
		if err != nil {
			return owner{}, protocol.Errorf(protocol.CodeUnknownOwner, "there is no user %q", name)
		}
		uid, _ = number(known.Uid)
	}
	if !grouped {
		return owner{uid, -1}, nil
	}
	gid, ok := number(group)
	if !ok {
		known, err := user.LookupGroup(group)
		if err != nil {
			return owner{}, protocol.Errorf(protocol.CodeUnknownOwner, "there is no group %q", group)
		}
		gid, _ = number(known.Gid)
	}
	return owner{uid, gid}, nil
}

// or takes from another file what is not given.
func (o owner) or(old syscall.Stat_t) owner {
	if o.uid < 0 {
		o.uid = int(old.Uid)
	}
	if o.gid < 0 {
		o.gid = int(old.Gid)
	}
	return o
}

// number reads the number of a user or a group. The highest one means that there is none.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < 1<<32-1
}

// set gives the attributes to a file; a link is followed.
func (a Attributes) set(path string, to owner) error {
	if to.uid >= 0 || to.gid >= 0 {
		if err := os.Chown(path, to.uid, to.gid); err != nil {
			return err
		}
	}
	// After the owner: a change of that takes the set-user-id bit away.
	if a.Mode != nil {
		return syscall.Chmod(path, *a.Mode)
	}
	return nil
}
