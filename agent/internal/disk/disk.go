// Package disk makes the machine's root file system out of the read-only base and the machine's own disk.
package disk

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"opensandbox/agent/internal/dirt"
	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/view"
)

const (
	// Base is where the read-only base file system is mounted before there is a disk.
	Base = "/base"

	own   = "/disk"
	upper = own + "/up"
	whole = "/root-of-machine"
)

// quiet keeps the kernel from reading all of the disk's bitmaps and writing its inode tables in the background,
// which would slow the first commands down and change blocks that nobody wrote to.
const quiet = "no_prefetch_block_bitmaps,noinit_itable"

// frugal makes the kernel tell the disk of the blocks that are free again: what a deleted file held takes room in no
// layer from then on.
const frugal = "discard"

// pseudo are the file systems that the machine keeps from before it had a disk.
var pseudo = []string{"/proc", "/sys", "/dev", "/run"}

// Disk is the machine's own disk, mounted.
type Disk struct {
	// The disk's own directory and what is laid over the base. Held open: the mounts are out of sight once the root is
	// in place.
	top, upper, base *os.File

	dirt   *dirt.Watch
	writes *writeCount

	mu sync.Mutex
	// What the watch had counted when the last sync began; only with a sync is it known.
	clean  uint64
	synced bool
	// What the device had counted when the last sync ended, or else when the disk was mounted.
	written uint64
}

// Mount mounts the disk, lays it over the base, and makes that the root of this process and of all that it
// starts from now on. When it fails everything is as before. The disk has size bytes, unless that is 0: then it has as many
// as the kernel knows of.
func Mount(device string, size int64, watch *dirt.Watch) (*Disk, error) {
	if err := forgetBlocks(device); err != nil {
		return nil, err
	}
	if size > 0 {
		if err := awaitSize(device, size); err != nil {
			return nil, err
		}
	}
	if err := mount(device, own, "ext4", syscall.MS_NOATIME, quiet+","+frugal); err != nil {
		return nil, err
	}
	d := &Disk{dirt: watch, writes: openWriteCount(device)}
	err := d.hold()
	if err == nil {
		err = overlay()
	}
	if err != nil {
		d.letGo()
		syscall.Unmount(own, syscall.MNT_DETACH)
		return nil, err
	}
	d.written = d.writes.read()
	return d, nil
}

func (d *Disk) hold() (err error) {
	if d.top, err = os.Open(own); err != nil {
		return err
	}
	if d.upper, err = os.Open(upper); err != nil {
		return err
	}
	d.base, err = os.Open(Base)
	return err
}

func (d *Disk) letGo() {
	d.top.Close()
	d.upper.Close()
	d.base.Close()
}

// Close lets go of a disk that somebody else unmounts.
func (d *Disk) Close() {
	d.letGo()
	d.writes.close()
}

// View looks at the disk's files. The disk must stay mounted.
func (d *Disk) View() (*view.View, error) {
	return view.Open(int(d.upper.Fd()), int(d.base.Fd()))
}

func overlay() error {
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s/work,redirect_dir=on", Base, upper, own)
	if err := mount("overlay", whole, "overlay", syscall.MS_NOATIME, options); err != nil {
		return err
	}
	for i, path := range pseudo {
		if err := move(path, whole+path); err != nil {
			for _, moved := range pseudo[:i] {
				move(whole+moved, moved)
			}
			syscall.Unmount(whole, syscall.MNT_DETACH)
			return err
		}
	}
	return enter()
}

// enter does what switch_root does.
func enter() error {
	if err := os.Chdir(whole); err != nil {
		return err
	}
	if err := syscall.Mount(".", "/", "", syscall.MS_MOVE, ""); err != nil {
		return &os.LinkError{Op: "move", Old: whole, New: "/", Err: err}
	}
	if err := syscall.Chroot("."); err != nil {
		return &os.PathError{Op: "chroot", Path: whole, Err: err}
	}
	return os.Chdir("/")
}

// forgetBlocks drops what the kernel remembers of the device from before the machine was cloned, when another
// disk was in its place.
func forgetBlocks(device string) error {
	const blkflsbuf = 0x1261
	file, err := os.Open(device)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := linux.Ioctl(int(file.Fd()), blkflsbuf, 0); err != nil {
		return &os.PathError{Op: "flush", Path: device, Err: err}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(source, target, kind, flags, options); err != nil {
		return &os.PathError{Op: "mount " + kind, Path: target, Err: err}
	}
	return nil
}

// move moves a mount. What it is moved on to is made a directory first: the disk is the user's, who may have put
// a link in its place that leads elsewhere.
func move(from, to string) error {
	if info, err := os.Lstat(to); err != nil || !info.IsDir() {
		os.Remove(to)
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
	}
	if err := syscall.Mount(from, to, "", syscall.MS_MOVE, ""); err != nil {
		return &os.LinkError{Op: "move", Old: from, New: to, Err: err}
	}
	return nil
}
