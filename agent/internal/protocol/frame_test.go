package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// vectors are frames that the host's tests encode and decode too.
type vectors struct {
	Valid []struct {
		Type    string
		Stream  uint32
		Payload string
		Frame   string
	}
	Invalid []struct{ Why, Frame string }
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	content, err := os.ReadFile("../../testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func typeNamed(name string) Type {
	for kind, rule := range rules {
		if rule.name == name {
			return kind
		}
	}
	return 0
}

func TestFramesAreEncodedAndDecodedAsAgreed(t *testing.T) {
	for _, vector := range readVectors(t).Valid {
		frame := Frame{typeNamed(vector.Type), vector.Stream, unhex(t, vector.Payload)}
		encoded, err := Append(nil, frame)
		if err != nil || !bytes.Equal(encoded, unhex(t, vector.Frame)) {
			t.Errorf("%s is encoded as %x, %v", vector.Type, encoded, err)
		}
		var decoder Decoder
		decoder.Write(unhex(t, vector.Frame))
		decoded, event := decoder.Next()
		if event != Decoded || decoded.Type != frame.Type || decoded.Stream != frame.Stream ||
			!bytes.Equal(decoded.Payload, frame.Payload) {
			t.Errorf("%s is decoded as %v %v", vector.Type, event, decoded)
		}
	}
}

func TestBytesThatAreNoFrameAreRefused(t *testing.T) {
	for _, vector := range readVectors(t).Invalid {
		var decoder Decoder
		decoder.Write(unhex(t, vector.Frame))
		if frame, event := decoder.Next(); event != Lost {
			t.Errorf("%s: event %v, frame %v", vector.Why, event, frame)
		}
	}
}

func TestAFrameThatBreaksARuleIsNotEncoded(t *testing.T) {
	for _, frame := range []Frame{
		{TypeStdout, 0, []byte("x")},
		{TypeStdout, 1, nil},
		{TypeStdout, 1, make([]byte, MaxOutput+1)},
		{TypeStdin, 1, make([]byte, MaxData+1)},
		{TypeCancel, 1, []byte("x")},
		{TypeWelcome, 1, []byte("{}")},
		{Type(99), 1, nil},
	} {
		if encoded, err := Append(nil, frame); err == nil {
			t.Errorf("a frame of type %d and %d bytes is encoded as %.32x", frame.Type, len(frame.Payload), encoded)
		}
	}
}

func TestCreditAndSizeSurviveARoundTrip(t *testing.T) {
	credit := Credit{ChannelStderr, 1 << 31}
	if got, err := ParseCredit(credit.Encode()); err != nil || !reflect.DeepEqual(got, credit) {
		t.Errorf("credit: %v, %v", got, err)
	}
	if _, err := ParseCredit([]byte{3, 0, 0, 0, 1}); err == nil {
		t.Error("credit for a channel that does not exist is accepted")
	}
	size := Size{200, 50}
	if got, err := ParseSize(size.Encode()); err != nil || got != size {
		t.Errorf("size: %v, %v", got, err)
	}
}
