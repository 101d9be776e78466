package disk

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// writeCount counts how much was written to a device, as the kernel does.
type writeCount struct {
	// Held open, because a command may mount something else over the path.
	statistics *os.File
}

func openWriteCount(device string) *writeCount {
	statistics, err := os.Open("/sys/class/block/" + filepath.Base(device) + "/stat")
	if err != nil {
		return &writeCount{}
	}
	return &writeCount{statistics}
}

func (w *writeCount) close() {
	w.statistics.Close()
}

// read answers 0 when the kernel does not say.
func (w *writeCount) read() uint64 {
	line := make([]byte, 512)
	n, _ := w.statistics.ReadAt(line, 0)
	return sectorsWritten(string(line[:n]))
}

// sectorsWritten adds up what was written to and discarded of a device, from the text of its stat file. It is not the
// number of writes that counts: a flush that brings nothing along is one of those.
func sectorsWritten(line string) uint64 {
	const writes, discards = 6, 13
	fields := strings.Fields(line)
	if len(fields) <= discards {
		return 0
	}
	var sum uint64
	for _, field := range []string{fields[writes], fields[discards]} {
		count, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0
		}
		sum += count
	}
	return sum
}
