// Package dirt knows when nothing can be dirty: no file system holds what its disk does not.
package dirt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"opensandbox/agent/internal/linux"
)

// Kernel events of which at least one comes with everything that leaves ext4 something to sync, once syncfs would
// see it. What was dirty before and still is comes without one; that is for the sync that saw it get dirty.
//
//   - A page of a file or of a block device gets dirty, by a write or through a mapping. A mapped page that was
//     written back is write-protected, so the next store into it faults and counts again.
//   - An inode joins those that wait to be written. It does so after its page got dirty: between the two a sync
//     would miss the page, and this event makes the next one look again. Timestamps kept in memory (lazytime)
//     count here too.
//   - A journal handle ends. All changes of metadata are made under one, and committing a transaction waits for its
//     handles, so what ended before a sync began is on the disk after it. The event comes when the handle is stopped,
//     not when it is started, because a long operation carries its handle from one transaction into the next.
//
// A direct write to blocks that a file already has may come without any event, and needs no sync: it is complete
// when it is on the disk.
var events = []string{
	"writeback/writeback_dirty_folio",
	"writeback/writeback_dirty_inode_enqueue",
	"jbd2/jbd2_handle_stats",
}

// Watch counts those events. They are counted in the kernel, for all file systems together, and go on being counted
// in the clones of a machine.
type Watch struct {
	// The first of the group of counters, which are read as one.
	leader int
}

// processor is the one that events are counted on. With a second one an event could be counted before a sync on the
// first sees its effect.
const processor = 0

// NewWatch begins to count.
func NewWatch() (*Watch, error) {
	if runtime.NumCPU() != 1 {
		return nil, errors.New("the machine has more than one processor")
	}
	ids, err := identify(events)
	if err != nil {
		return nil, err
	}
	leader := -1
	for i, id := range ids {
		fd, err := linux.OpenTracepointCounter(id, processor, leader)
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", events[i], err)
		}
		if leader < 0 {
			leader = fd
		}
	}
	return &Watch{leader}, nil
}

// Count is the number of events so far; it never falls. Without a watch, or when the kernel does not count, it is
// not known.
func (w *Watch) Count() (count uint64, known bool) {
	if w == nil {
		return 0, false
	}
	// The number of counters, then their values.
	values := make([]byte, 8*(1+len(events)))
	n, err := syscall.Read(w.leader, values)
	if err != nil || n != len(values) || binary.LittleEndian.Uint64(values) != uint64(len(events)) {
		return 0, false
	}
	for at := 8; at < len(values); at += 8 {
		count += binary.LittleEndian.Uint64(values[at:])
	}
	return count, true
}

// identify asks tracefs, which is mounted for just that, by what numbers the kernel knows the events.
func identify(names []string) ([]uint64, error) {
	directory, err := os.MkdirTemp("/", "tracefs-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(directory)
	if err := syscall.Mount("tracefs", directory, "tracefs", syscall.MS_RDONLY, ""); err != nil {
		return nil, &os.PathError{Op: "mount tracefs", Path: directory, Err: err}
	}
	defer syscall.Unmount(directory, syscall.MNT_DETACH)
	var ids []uint64
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(directory, "events", name, "id"))
		if err != nil {
			return nil, err
		}
		id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
