// Package account knows the users of a system by its own files, /etc/passwd and /etc/group.
package account

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Account is a user that can run something.
type Account struct {
	Name string
	UID  uint32
	GID  uint32
	// Groups are those that the user belongs to besides GID.
	Groups []uint32
	Home   string
}

// maxFile bounds how much of a file is read, in bytes: the files are the user's own, who may have put anything there.
const maxFile = 4 << 20

// Find looks a user up by name or, where nobody has that name, by number.
//
// The files are those below root.
func Find(root, user string) (Account, error) {
	entries, err := entriesOf(filepath.Join(root, "etc/passwd"), 7)
	if err != nil {
		return Account{}, err
	}
	entry := firstWith(entries, 0, user)
	if entry == nil {
		entry = firstWith(entries, 2, user)
	}
	if entry == nil {
		return Account{}, fmt.Errorf("the sandbox has no user %.64q", user)
	}
	found := Account{Name: entry[0], Home: entry[5]}
	if found.UID, err = id(entry[2]); err == nil {
		found.GID, err = id(entry[3])
	}
	if err != nil {
		return Account{}, fmt.Errorf("/etc/passwd is wrong about user %.64q: %w", user, err)
	}
	if found.Home == "" {
		found.Home = "/"
	}
	found.Groups, err = groupsOf(root, found.Name)
	return found, err
}

// Group looks a group's number up by its name. The file is the one below root.
func Group(root, name string) (uint32, error) {
	entries, err := entriesOf(filepath.Join(root, "etc/group"), 4)
	if err != nil {
		return 0, err
	}
	entry := firstWith(entries, 0, name)
	if entry == nil {
		return 0, fmt.Errorf("the sandbox has no group %.64q", name)
	}
	return id(entry[2])
}

// groupsOf lists the groups that name the user as a member. A system without groups has none.
func groupsOf(root, user string) ([]uint32, error) {
	entries, err := entriesOf(filepath.Join(root, "etc/group"), 4)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var groups []uint32
	for _, entry := range entries {
		for _, member := range strings.Split(entry[3], ",") {
			if group, wrong := id(entry[2]); member == user && wrong == nil {
				groups = append(groups, group)
			}
		}
	}
	return groups, err
}

func firstWith(entries [][]string, field int, value string) []string {
	for _, entry := range entries {
		if entry[field] == value {
			return entry
		}
	}
	return nil
}

func id(text string) (uint32, error) {
	number, err := strconv.ParseUint(text, 10, 32)
	return uint32(number), err
}

// entriesOf gives the lines of a file that have so many fields.
func entriesOf(path string, fields int) ([][]string, error) {
	// What is no regular file must not keep anybody waiting.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, err
	}
	var entries [][]string
	for _, line := range strings.Split(string(content), "\n") {
		if entry := strings.Split(line, ":"); len(entry) == fields {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}
