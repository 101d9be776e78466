package watch

import (
	"encoding/binary"
	"strings"
	"syscall"
	"time"
)

// notice is what the kernel says.
type notice struct {
	wd     int
	mask   uint32
	cookie uint32
	name   string
}

// maxWaiting bounds the notices in memory; more stay in the kernel.
const maxWaiting = 16_384

// The longest notice: its header, a name, a zero byte, rounded up.
const longestNotice = syscall.SizeofInotifyEvent + syscall.NAME_MAX + 1

// read waits for notices and adds them to those that wait. Without a deadline it waits as long as it takes.
func (w *Watcher) read(deadline time.Time) error {
	queue := w.current()
	if err := queue.SetReadDeadline(deadline); err != nil {
		return err
	}
	n, err := queue.Read(w.buffer)
	if err != nil {
		return err
	}
	if n < len(w.buffer)-longestNotice {
		w.emptied++
	}
	w.waiting = append(w.waiting, notices(w.buffer[:n])...)
	return nil
}

// notices takes apart what was read of the kernel's queue. Every machine that the agent is built for is little-endian.
func notices(bytes []byte) []notice {
	var list []notice
	for len(bytes) >= syscall.SizeofInotifyEvent {
		size := int(binary.LittleEndian.Uint32(bytes[12:]))
		end := syscall.SizeofInotifyEvent + size
		if end > len(bytes) {
			break
		}
		list = append(list, notice{
			wd:     int(int32(binary.LittleEndian.Uint32(bytes))),
			mask:   binary.LittleEndian.Uint32(bytes[4:]),
			cookie: binary.LittleEndian.Uint32(bytes[8:]),
			name:   strings.TrimRight(string(bytes[syscall.SizeofInotifyEvent:end]), "\x00"),
		})
		bytes = bytes[end:]
	}
	return list
}
