package processes

import (
	"sort"
	"sync"
	"time"
)

// Kind says which of a process's outputs bytes come from.
type Kind uint8

// The kinds of what a reader gets.
const (
	// Skipped stands for bytes that were overwritten before they were read.
	Skipped Kind = 0
	Stdout  Kind = 1
	Stderr  Kind = 2
)

const (
	// ringSize is how many bytes of output are kept.
	ringSize = 1 << 20
	// maxSegments bounds what is remembered of the order of outputs that alternate in tiny pieces.
	maxSegments = 8192
	// patience is how long a process is held back for a reader that reads nothing.
	patience = 2 * time.Second
)

// segment is output of one kind, up to the offset at which the next begins.
type segment struct {
	kind Kind
	end  int64
}

// ring keeps the last of what a process printed, in the order in which it came. Bytes are known by their offset in all
// that it ever printed.
type ring struct {
	mu      sync.Mutex
	changed *sync.Cond
	// The byte at an offset is at offset modulo ringSize. It grows as long as there is less.
	bytes      []byte
	segments   []segment
	start, end int64
	closed     bool
	readers    map[*Reader]struct{}
}

func newRing() *ring {
	r := &ring{readers: map[*Reader]struct{}{}}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// append adds output, and says whether anybody reads it. It waits for readers that would lose what it overwrites, as long
// as they go on reading.
func (r *ring) append(kind Kind, chunk []byte) (heard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for reader := r.losing(len(chunk)); reader != nil; reader = r.losing(len(chunk)) {
		r.await(reader)
	}
	for len(chunk) > 0 {
		n := r.put(chunk)
		r.end += int64(n)
		chunk = chunk[n:]
	}
	if last := len(r.segments) - 1; last >= 0 && r.segments[last].kind == kind {
		r.segments[last].end = r.end
	} else {
		r.segments = append(r.segments, segment{kind, r.end})
	}
	r.forget()
	r.changed.Broadcast()
	return r.heard(kind)
}

// heard says whether anybody reads output of that kind.
func (r *ring) heard(kind Kind) bool {
	for reader := range r.readers {
		if reader.wanted[kind] {
			return true
		}
	}
	return false
}

// put takes as much of the chunk as fits in one piece.
func (r *ring) put(chunk []byte) int {
	if room := ringSize - len(r.bytes); room > 0 {
		if len(chunk) > room {
			chunk = chunk[:room]
		}
		r.bytes = append(r.bytes, chunk...)
		return len(chunk)
	}
	return copy(r.bytes[r.end%ringSize:], chunk)
}

// forget moves the start to where what is there begins.
func (r *ring) forget() {
	if r.end-r.start > ringSize {
		r.start = r.end - ringSize
	}
	if surplus := len(r.segments) - maxSegments; surplus > 0 && r.segments[surplus-1].end > r.start {
		r.start = r.segments[surplus-1].end
	}
	for r.segments[0].end <= r.start {
		r.segments = r.segments[1:]
	}
}

// losing finds a reader that is waited for, and would lose something if so many bytes were added.
func (r *ring) losing(bytes int) *Reader {
	for reader := range r.readers {
		if reader.at < r.end+int64(bytes)-ringSize && !reader.late {
			return reader
		}
	}
	return nil
}

// await waits until the reader has read something. One that does not is late, and not waited for until it does.
func (r *ring) await(reader *Reader) {
	at := reader.at
	timer := time.AfterFunc(patience, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if reader.at == at {
			reader.late = true
			r.changed.Broadcast()
		}
	})
	defer timer.Stop()
	for reader.at == at && !reader.late && !reader.closed {
		r.changed.Wait()
	}
}

// segmentAt is the segment of the byte at an offset, which must be there.
func (r *ring) segmentAt(offset int64) segment {
	return r.segments[sort.Search(len(r.segments), func(i int) bool { return r.segments[i].end > offset })]
}

// close says that no more output comes.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.changed.Broadcast()
}
