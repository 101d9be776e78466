package disk

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"opensandbox/agent/internal/linux"
)

// How long the kernel may take to hear that the device is larger than it was.
const sizeLimit = 10 * time.Second

// awaitSize waits until the kernel knows the device's size: it hears of a change in the background.
func awaitSize(device string, size int64) error {
	file, err := os.Open(device)
	if err != nil {
		return err
	}
	defer file.Close()
	for deadline := time.Now().Add(sizeLimit); ; time.Sleep(time.Millisecond) {
		known, err := sizeOf(file)
		if err != nil || known == size {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has %d bytes, not %d", device, known, size)
		}
	}
}

func sizeOf(device *os.File) (int64, error) {
	const blkgetsize64 = 0x80081272
	var size int64
	if err := linux.IoctlPointer(int(device.Fd()), blkgetsize64, unsafe.Pointer(&size)); err != nil {
		return 0, &os.PathError{Op: "measure", Path: device.Name(), Err: err}
	}
	return size, nil
}

// Grow makes the mounted file system as large as a disk of that many bytes. It does nothing to one that is.
func (d *Disk) Grow(size int64) error {
	const resizeFs = 0x40086610
	var now syscall.Statfs_t
	if err := syscall.Fstatfs(int(d.top.Fd()), &now); err != nil {
		return &os.PathError{Op: "measure", Path: own, Err: err}
	}
	blocks := uint64(size / now.Bsize)
	if err := linux.IoctlPointer(int(d.top.Fd()), resizeFs, unsafe.Pointer(&blocks)); err != nil {
		return &os.PathError{Op: "grow", Path: own, Err: err}
	}
	d.written = d.writes.read()
	return nil
}
