package protocol

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzDecoder(f *testing.F) {
	all := readVectors(f)
	for _, vector := range all.Valid {
		f.Add(unhex(f, vector.Frame), 3)
	}
	for _, vector := range all.Invalid {
		f.Add(append(unhex(f, vector.Frame), encoded(f, Frame{TypeHello, 0, []byte(helloText)})...), 5)
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		if piece < 1 {
			piece = 1
		}
		whole, _ := decodeIn(len(stream)+1, stream)
		pieces, _ := decodeIn(piece, stream)
		if len(whole) != len(pieces) {
			t.Fatalf("%d frames at once, %d in pieces of %d", len(whole), len(pieces), piece)
		}
		for i, frame := range whole {
			again, err := Append(nil, frame)
			if err != nil || !bytes.Contains(stream, again) {
				t.Fatalf("frame %d is not in the stream: %v", i, err)
			}
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	for _, text := range []string{
		`{"op":"ping"}`, `{"op":"sync"}`, `{"op":"wipe"}`, `{"op":"nothing"}`, `{"op":"ping"} {}`, `{"op":"ping","x":1}`,
		`{"op":"exec","command":"true","cwd":"/","env":{"A":"b"},"pty":{"cols":80,"rows":24,"term":"xterm"},"stdin":true,"sync":true}`,
		`{"op":"setup","device":"/dev/vdb","hostname":"box","machineId":"0123456789abcdef0123456789abcdef","unixTimeMs":1,"entropy":"` +
			`AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`,
		`{"op":"changes","limit":10}`, `{"op":"read","path":"/etc/hosts","limit":0}`, `{"op":"digest","paths":["a","b"]}`,
		`{"op":"rehearse","device":"/dev/vdb"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		request, err := ParseRequest(payload)
		if err != nil {
			return
		}
		text, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRequest(text); err != nil {
			t.Fatalf("%s was read from %q and is refused: %v", text, payload, err)
		}
	})
}

func FuzzParseHello(f *testing.F) {
	f.Add([]byte(helloText))
	f.Add([]byte(`{"nonce":"","protocol":1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if hello, err := ParseHello(payload); err == nil && len(hello.Nonce) != 32 {
			t.Fatalf("nonce %q", hello.Nonce)
		}
	})
}
