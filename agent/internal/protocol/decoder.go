package protocol

import "bytes"

// Event is what the decoder found.
type Event int

// The events.
const (
	// Incomplete: more bytes are needed.
	Incomplete Event = iota
	// Decoded: a whole frame.
	Decoded
	// Lost: the bytes are no frame. From here on only a hello is recognised.
	Lost
)

// Decoder turns bytes into frames. After bytes that are no frame it hunts, byte by byte, for the next hello,
// with which a host begins anew.
type Decoder struct {
	buffer  []byte
	hunting bool
}

// Write adds bytes that were read from the stream. Call Next until it is Incomplete before writing more; then
// the decoder holds at most one frame and one write.
func (d *Decoder) Write(p []byte) {
	d.buffer = append(d.buffer, p...)
}

// Reset forgets a frame that was begun. It is for a stream whose other end was lost.
func (d *Decoder) Reset() {
	d.buffer = nil
}

// Hunt makes the decoder skip everything up to the next hello. It is for a frame that was well formed but
// not allowed.
func (d *Decoder) Hunt() {
	d.hunting = true
}

// Next takes the next frame out of what was written. The payload is the caller's to keep.
func (d *Decoder) Next() (Frame, Event) {
	if d.hunting && !d.seekHello() {
		return Frame{}, Incomplete
	}
	if len(d.buffer) < HeaderSize {
		return Frame{}, Incomplete
	}
	h, err := parseHeader(d.buffer)
	if err != nil {
		d.hunting = true
		return Frame{}, Lost
	}
	size := HeaderSize + int(h.length)
	if len(d.buffer) < size {
		return Frame{}, Incomplete
	}
	frame := Frame{h.kind, h.stream, append([]byte(nil), d.buffer[HeaderSize:size]...)}
	d.skip(size)
	return frame, Decoded
}

var helloStart = []byte{magic >> 8, magic & 0xFF, Version, byte(TypeHello), 0, 0, 0, 0}

// seekHello drops bytes until the buffer begins with a whole hello, and says whether it does.
func (d *Decoder) seekHello() bool {
	for {
		at := bytes.Index(d.buffer, helloStart)
		if at < 0 {
			// The end may be the first part of a hello.
			if excess := len(d.buffer) - len(helloStart) + 1; excess > 0 {
				d.skip(excess)
			}
			return false
		}
		d.skip(at)
		if len(d.buffer) < HeaderSize {
			return false
		}
		h, err := parseHeader(d.buffer)
		if err == nil {
			size := HeaderSize + int(h.length)
			if len(d.buffer) < size {
				return false
			}
			if _, err := ParseHello(d.buffer[HeaderSize:size]); err == nil {
				d.hunting = false
				return true
			}
		}
		d.skip(1)
	}
}

func (d *Decoder) skip(n int) {
	d.buffer = d.buffer[n:]
	if len(d.buffer) == 0 {
		// A large request must not hold its memory for ever; small reads reuse theirs.
		d.buffer = nil
	}
}
