package protocol

import (
	"bytes"
	"testing"
)

const helloText = `{"nonce":"0123456789abcdef0123456789abcdef","protocol":1}`

func encoded(t testing.TB, frames ...Frame) []byte {
	t.Helper()
	var b []byte
	for _, frame := range frames {
		var err error
		if b, err = Append(b, frame); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// decodeIn writes the stream in pieces of the given size and answers all that was found.
func decodeIn(piece int, stream []byte) (frames []Frame, lost int) {
	var decoder Decoder
	for len(stream) > 0 {
		n := piece
		if n > len(stream) {
			n = len(stream)
		}
		decoder.Write(stream[:n])
		stream = stream[n:]
		for {
			frame, event := decoder.Next()
			if event == Incomplete {
				break
			}
			if event == Lost {
				lost++
				continue
			}
			frames = append(frames, frame)
		}
	}
	return frames, lost
}

func TestPiecesOfAnySizeGiveTheSameFrames(t *testing.T) {
	stream := encoded(t,
		Frame{TypeHello, 0, []byte(helloText)},
		Frame{TypeStdin, 7, bytes.Repeat([]byte("OS\x01\x01"), 100)},
		Frame{TypeCancel, 7, nil})
	for piece := 1; piece <= len(stream); piece++ {
		if frames, lost := decodeIn(piece, stream); len(frames) != 3 || lost != 0 {
			t.Fatalf("pieces of %d bytes: %d frames, lost %d times", piece, len(frames), lost)
		}
	}
}

func TestAHelloIsFoundAfterAnything(t *testing.T) {
	hello := encoded(t, Frame{TypeHello, 0, []byte(helloText)})
	cases := map[string][]byte{
		"noise":                       []byte("some noise OS OS\x01"),
		"the start of a hello":        hello[:20],
		"a hello without a nonce":     encoded(t, Frame{TypeHello, 0, []byte(`{"nonce":"short","protocol":1}`)}),
		"a hello that is no JSON":     encoded(t, Frame{TypeHello, 0, []byte(`{{{{`)}),
		"a frame cut short and zeros": append(encoded(t, Frame{TypeStdin, 1, make([]byte, 99)})[:40], make([]byte, HeaderSize+MaxRequest)...),
	}
	for name, before := range cases {
		for _, piece := range []int{1, 13, 4096} {
			var decoder Decoder
			decoder.Hunt()
			found := 0
			for stream := append(append([]byte{}, before...), hello...); len(stream) > 0; {
				n := piece
				if n > len(stream) {
					n = len(stream)
				}
				decoder.Write(stream[:n])
				stream = stream[n:]
				for frame, event := decoder.Next(); event != Incomplete; frame, event = decoder.Next() {
					if event == Decoded && frame.Type == TypeHello && string(frame.Payload) == helloText {
						found++
					}
				}
			}
			if found != 1 {
				t.Errorf("%s, in pieces of %d: found %d times", name, piece, found)
			}
		}
	}
}

func TestPaddingCompletesTheLongestFrame(t *testing.T) {
	begun := encoded(t, Frame{TypeRequest, 1, make([]byte, MaxRequest)})[:HeaderSize]
	stream := append(begun, make([]byte, HeaderSize+MaxRequest)...)
	stream = append(stream, encoded(t, Frame{TypeHello, 0, []byte(helloText)})...)
	frames, _ := decodeIn(32*1024, stream)
	if len(frames) != 2 || frames[1].Type != TypeHello {
		t.Fatalf("%d frames", len(frames))
	}
}

func TestResetForgetsAFrameThatWasBegun(t *testing.T) {
	stream := encoded(t, Frame{TypeHello, 0, []byte(helloText)})
	var decoder Decoder
	decoder.Write(stream[:15])
	if _, event := decoder.Next(); event != Incomplete {
		t.Fatal("half a frame is a frame")
	}
	decoder.Reset()
	decoder.Write(stream)
	if _, event := decoder.Next(); event != Decoded {
		t.Fatal("the frame after the reset is not found")
	}
}
