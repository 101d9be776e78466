// Package entry tells what directories hold.
package entry

import (
	"io"
	"os"
	"sort"
	"syscall"
)

// So many names are read from a directory at one time.
const batch = 1024

// Names lists the directories together: the first of all names in the order of their bytes, at most so many, each
// once, and whether there are others. The directory -1 has none. However much there is, no more than twice as many and
// a batch are in memory.
func Names(most int, directories ...int) (first []string, cut bool, err error) {
	for _, directory := range directories {
		if directory < 0 {
			continue
		}
		fd, err := syscall.Openat(directory, ".", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return nil, false, err
		}
		list := os.NewFile(uintptr(fd), "directory")
		first, err = gather(first, most, list, &cut)
		list.Close()
		if err != nil {
			return nil, false, err
		}
	}
	return firstOf(first, most, &cut), cut, nil
}

func gather(first []string, most int, list *os.File, cut *bool) ([]string, error) {
	for {
		more, err := list.Readdirnames(batch)
		if err == io.EOF {
			return first, nil
		}
		if err != nil {
			return nil, err
		}
		if first = append(first, more...); len(first) >= 2*most {
			first = firstOf(first, most, cut)
		}
	}
}

// firstOf sorts the names in place, drops what is there twice, and keeps the first so many; cut when there are others.
func firstOf(all []string, most int, cut *bool) []string {
	sort.Strings(all)
	kept := all[:0]
	for _, name := range all {
		if len(kept) > 0 && name == kept[len(kept)-1] {
			continue
		}
		if len(kept) == most {
			*cut = true
			break
		}
		kept = append(kept, name)
	}
	Forget(all[len(kept):])
	return kept
}

// Forget lets go of the text of names that are not needed.
func Forget(names []string) {
	for i := range names {
		names[i] = ""
	}
}
