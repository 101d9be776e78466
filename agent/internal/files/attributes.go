package files

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"opensandbox/agent/internal/account"
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
	uid, err := lookUp(name, func() (uint32, error) {
		user, err := account.Find("/", name)
		return user.UID, err
	})
	if err != nil || !grouped {
		return owner{uid, -1}, err
	}
	gid, err := lookUp(group, func() (uint32, error) { return account.Group("/", group) })
	return owner{uid, gid}, err
}

// lookUp gives the number of a user or a group; a number need not be known to the system. The highest one is that of
// nobody at all.
func lookUp(text string, known func() (uint32, error)) (int, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil && n < 1<<32-1 {
		return int(n), nil
	}
	n, err := known()
	if err != nil {
		return -1, protocol.Errorf(protocol.CodeUnknownOwner, "%v", err)
	}
	return int(n), nil
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
