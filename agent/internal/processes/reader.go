package processes

import "encoding/binary"

// Reader reads a process's output from where it began, in order. It must be closed.
type Reader struct {
	ring   *ring
	wanted map[Kind]bool
	follow bool
	// Guarded by the ring's lock.
	at     int64
	late   bool
	closed bool
}

// Wanted says what a reader is after.
type Wanted struct {
	// Offset is where it begins: nil for the oldest output that is kept.
	Offset         *int64
	Stdout, Stderr bool
	// Follow says whether it waits for what is not printed yet, until the process ends.
	Follow bool
}

// Piece is some output of one kind.
type Piece struct {
	Kind Kind
	// Next is the offset of what follows.
	Next int64
	// Bytes are the output; of what was skipped, how many bytes that were, in eight bytes.
	Bytes []byte
}

func (r *ring) read(wanted Wanted) *Reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	reader := &Reader{
		ring: r, wanted: map[Kind]bool{Stdout: wanted.Stdout, Stderr: wanted.Stderr}, follow: wanted.Follow, at: r.start,
	}
	if wanted.Offset != nil {
		reader.at = *wanted.Offset
	}
	if reader.at > r.end {
		reader.at = r.end
	}
	r.readers[reader] = struct{}{}
	return reader
}

// Offset is where the reader is.
func (r *Reader) Offset() int64 {
	r.ring.mu.Lock()
	defer r.ring.mu.Unlock()
	return r.at
}

// Next waits for output and gives some, copied into a buffer. There is none any more once the process has ended, once the
// reader is closed, or where it does not follow.
func (r *Reader) Next(buffer []byte) (piece Piece, more bool) {
	r.ring.mu.Lock()
	defer r.ring.mu.Unlock()
	for !r.closed {
		if skipped := r.ring.start - r.at; skipped > 0 {
			r.moveTo(r.ring.start)
			return Piece{Skipped, r.at, binary.BigEndian.AppendUint64(buffer[:0], uint64(skipped))}, true
		}
		for r.at < r.ring.end {
			if piece, wanted := r.take(buffer); wanted {
				return piece, true
			}
		}
		if r.ring.closed || !r.follow {
			break
		}
		r.ring.changed.Wait()
	}
	return Piece{}, false
}

// take moves over output of one kind, and gives it if that is wanted.
func (r *Reader) take(buffer []byte) (piece Piece, wanted bool) {
	segment := r.ring.segmentAt(r.at)
	if !r.wanted[segment.kind] {
		r.moveTo(segment.end)
		return Piece{}, false
	}
	if length := segment.end - r.at; length < int64(len(buffer)) {
		buffer = buffer[:length]
	}
	n := copy(buffer, r.ring.bytes[r.at%ringSize:])
	r.moveTo(r.at + int64(n))
	return Piece{segment.kind, r.at, buffer[:n]}, true
}

func (r *Reader) moveTo(offset int64) {
	r.at = offset
	r.late = false
	r.ring.changed.Broadcast()
}

// Close ends a Next that waits, and lets the process go on without this reader.
func (r *Reader) Close() {
	r.ring.mu.Lock()
	defer r.ring.mu.Unlock()
	r.closed = true
	delete(r.ring.readers, r)
	r.ring.changed.Broadcast()
}
