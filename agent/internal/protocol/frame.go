// Package protocol is the language that the agent and the host speak over one byte stream.
// Its numbers and messages are those of protocol.schema.json, which both sides test against.
package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Version is the protocol that this agent speaks.
const Version = 1

const (
	magic = 0x4F53

	// HeaderSize is the length of the header that every frame begins with.
	HeaderSize = 12
	// MaxData bounds the payload of a frame that carries input: with its header it fits in the 32 KiB that
	// virtio-serial writes in one piece. Output comes in such pieces unless there is much of it.
	MaxData = 32*1024 - HeaderSize
	// MaxOutput bounds the payload of a frame that carries output: four such pieces, so that what a frame costs
	// is spread over more, and others need not wait for it for more than a millisecond or two.
	MaxOutput = 128*1024 - HeaderSize
	// MaxRequest bounds the JSON of a request.
	MaxRequest = 1 << 20
	// MaxResponse bounds the JSON of a response.
	MaxResponse = 32*1024 - HeaderSize
	// MaxGreeting bounds the JSON of a hello or a welcome.
	MaxGreeting = 1024
	// MaxEvent bounds the JSON of an event.
	MaxEvent = 8 * 1024
	// InputWindow is how many bytes of input the host may be ahead of the credit granted to it, on each stream.
	InputWindow = 256 * 1024
	// OutputWindow is the same for each channel of output and the agent. It bounds what a reader who stands still costs the
	// host, and is large enough that one who keeps up is not waited for.
	OutputWindow = 2048 * 1024
	// MaxStreams bounds the streams that are open at one time.
	MaxStreams = 256
)

// Type says what a frame is for.
type Type uint8

// The types of frames.
const (
	TypeHello    Type = 1
	TypeWelcome  Type = 2
	TypeRequest  Type = 3
	TypeResponse Type = 4
	TypeStdin    Type = 5
	TypeStdinEOF Type = 6
	TypeStdout   Type = 7
	TypeStderr   Type = 8
	TypeCredit   Type = 9
	TypeCancel   Type = 10
	TypeResize   Type = 11
	TypeEvent    Type = 12
)

// Channel is one direction of a command's data, as credit frames name it.
type Channel uint8

// The channels of a stream.
const (
	ChannelStdin  Channel = 0
	ChannelStdout Channel = 1
	ChannelStderr Channel = 2
)

// Frame is one unit of the byte stream.
type Frame struct {
	Type    Type
	Stream  uint32
	Payload []byte
}

// rule is what a frame of one type must look like.
type rule struct {
	name     string
	min, max uint32
	onStream bool
}

var rules = map[Type]rule{
	TypeHello:    {"HELLO", 2, MaxGreeting, false},
	TypeWelcome:  {"WELCOME", 2, MaxGreeting, false},
	TypeRequest:  {"REQUEST", 2, MaxRequest, true},
	TypeResponse: {"RESPONSE", 2, MaxResponse, true},
	TypeStdin:    {"STDIN", 1, MaxData, true},
	TypeStdinEOF: {"STDIN_EOF", 0, 0, true},
	TypeStdout:   {"STDOUT", 1, MaxOutput, true},
	TypeStderr:   {"STDERR", 1, MaxOutput, true},
	TypeCredit:   {"CREDIT", 5, 5, true},
	TypeCancel:   {"CANCEL", 0, 0, true},
	TypeResize:   {"RESIZE", 4, 4, true},
	TypeEvent:    {"EVENT", 2, MaxEvent, true},
}

// ErrBadHeader means that the bytes are no header of a frame.
var ErrBadHeader = errors.New("not the header of a frame")

type header struct {
	kind   Type
	stream uint32
	length uint32
}

// parseHeader reads the first HeaderSize bytes of b, which must be there.
func parseHeader(b []byte) (header, error) {
	h := header{Type(b[3]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
	if binary.BigEndian.Uint16(b) != magic || b[2] != Version {
		return h, ErrBadHeader
	}
	r, known := rules[h.kind]
	if !known || (h.stream != 0) != r.onStream || h.length < r.min || h.length > r.max {
		return h, ErrBadHeader
	}
	return h, nil
}

// Append adds the frame's bytes to b. It refuses a frame that breaks a rule.
func Append(b []byte, f Frame) ([]byte, error) {
	begin := len(b)
	whole := append(append(b, make([]byte, HeaderSize)...), f.Payload...)
	if err := PutHeader(whole[begin:], f.Type, f.Stream); err != nil {
		return b, err
	}
	return whole, nil
}

// PutHeader makes a frame of a payload that is there already, behind HeaderSize bytes of room. It refuses a frame that
// breaks a rule.
func PutHeader(frame []byte, kind Type, stream uint32) error {
	r, known := rules[kind]
	if !known {
		return fmt.Errorf("no frame has type %d", kind)
	}
	n := len(frame) - HeaderSize
	if n < int(r.min) || n > int(r.max) || (stream != 0) != r.onStream {
		return fmt.Errorf("a %s frame of %d bytes on stream %d breaks the rules", r.name, n, stream)
	}
	binary.BigEndian.PutUint16(frame, magic)
	frame[2], frame[3] = Version, byte(kind)
	binary.BigEndian.PutUint32(frame[4:], stream)
	binary.BigEndian.PutUint32(frame[8:], uint32(n))
	return nil
}

// Credit is the payload of a credit frame: the channel's sender may send this many bytes more.
type Credit struct {
	Channel Channel
	Bytes   uint32
}

// Encode makes the payload.
func (c Credit) Encode() []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(c.Channel)}, c.Bytes)
}

// ParseCredit reads the payload of a credit frame.
func ParseCredit(payload []byte) (Credit, error) {
	if len(payload) != 5 || payload[0] > byte(ChannelStderr) {
		return Credit{}, errors.New("not the payload of a credit frame")
	}
	return Credit{Channel(payload[0]), binary.BigEndian.Uint32(payload[1:])}, nil
}

// Size is the size of a terminal, and the payload of a resize frame.
type Size struct {
	Cols, Rows uint16
}

// Encode makes the payload.
func (s Size) Encode() []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, s.Cols), s.Rows)
}

// ParseSize reads the payload of a resize frame.
func ParseSize(payload []byte) (Size, error) {
	if len(payload) != 4 {
		return Size{}, errors.New("not the payload of a resize frame")
	}
	return Size{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}, nil
}
