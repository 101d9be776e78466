package disk

import (
	"time"

	"opensandbox/agent/internal/linux"
)

// Synced is what a sync did.
type Synced struct {
	// How long the disk took; nothing when there was no need to ask it.
	Took time.Duration
	// Wrote says that the device was written to since the sync before, or since it was mounted. That it was not is
	// never sure.
	Wrote bool
}

// Sync writes all that is dirty. When nothing can be, it does not ask the disk, which takes its time also to find
// that out.
func (d *Disk) Sync() (Synced, error) {
	// Counted before the sync begins: what gets dirty meanwhile may be missed by it.
	count, known := d.dirt.Count()
	if known && d.cleanSince(count) {
		return Synced{}, nil
	}
	started := time.Now()
	if err := linux.Syncfs(int(d.top.Fd())); err != nil {
		return Synced{}, err
	}
	took := time.Since(started)
	return Synced{Took: took, Wrote: d.settle(count, known)}, nil
}

func (d *Disk) cleanSince(count uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.synced && d.clean == count
}

// settle remembers a sync that succeeded, and says whether the device was written to since the one before.
func (d *Disk) settle(count uint64, known bool) (wrote bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clean, d.synced = count, known
	written := d.writes.read()
	wrote = written > d.written
	d.written = written
	return wrote
}
