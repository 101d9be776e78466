package session

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"opensandbox/agent/internal/pack"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/watch"
)

func (g hostGuest) Pack(path string, to io.Writer) error {
	return pack.Pack(filepath.Join(g.directory, path), to)
}

func (g hostGuest) Measure(path string) (pack.Size, error) {
	return pack.Measure(filepath.Join(g.directory, path))
}

func (g hostGuest) Unpack(path string, from io.Reader) (pack.Unpacked, error) {
	return pack.Unpack(filepath.Join(g.directory, path), from)
}

func (g hostGuest) Watch(path string, recursive bool) (*watch.Watcher, error) {
	return watch.Open(filepath.Join(g.directory, path), recursive)
}

// sendAll sends a whole input in frames, at the pace of the credit that the agent grants.
func (h *host) sendAll(stream uint32, input []byte) {
	h.t.Helper()
	for credit := protocol.InputWindow; len(input) > 0; {
		if credit == 0 {
			granted, err := protocol.ParseCredit(h.next().Payload)
			if err != nil {
				h.t.Fatal(err)
			}
			credit = int(granted.Bytes)
		}
		size := credit
		for _, most := range []int{len(input), protocol.MaxData} {
			if size > most {
				size = most
			}
		}
		h.send(protocol.TypeStdin, stream, input[:size])
		input, credit = input[size:], credit-size
	}
	h.send(protocol.TypeStdinEOF, stream, nil)
}

func TestADirectoryGoesOutAndComesBackInAsAnArchive(t *testing.T) {
	h := greeted(t)
	h.exec(1, "mkdir from && head -c 700000 /dev/urandom > from/noise && ln -s noise from/link")
	h.result(1)
	h.send(protocol.TypeRequest, 2, []byte(`{"op":"pack","path":"from"}`))
	packed, archive, _ := h.result(2)
	if packed["ok"] != true {
		t.Fatalf("%v", packed)
	}
	h.send(protocol.TypeRequest, 3, []byte(`{"op":"unpack","path":"to/here","sync":true}`))
	h.sendAll(3, []byte(archive))
	done, _, _ := h.result(3)
	if done["ok"] != true || done["files"] != 2.0 || done["bytes"] != 700000.0 || done["wrote"] != true || done["syncUs"] != 1000.0 {
		t.Errorf("%v", done)
	}
	h.exec(4, "diff -r from to/here && readlink to/here/link")
	if _, stdout, stderr := h.result(4); stdout != "noise\n" {
		t.Errorf("%q %q", stdout, stderr)
	}
}

func TestWhatIsNoArchiveIsRefusedBeforeItsEnd(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"unpack","path":"to","sync":false}`))
	h.send(protocol.TypeStdin, 1, []byte(strings.Repeat("no archive ", 200)))
	if failure, _, _ := h.result(1); failure["code"] != string(protocol.CodeBadArchive) {
		t.Errorf("%v", failure)
	}
}

func TestAnUnpackingThatIsCancelledEnds(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"unpack","path":"to","sync":false}`))
	h.send(protocol.TypeCancel, 1, nil)
	if failure, _, _ := h.result(1); failure["ok"] != false {
		t.Errorf("%v", failure)
	}
}

func TestAWatchTellsUntilItIsCancelled(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"watch","path":".","recursive":true}`))
	if begun := h.next(); begun.Type != protocol.TypeEvent || string(begun.Payload) != `{"watching":true}` {
		t.Fatalf("%+v", begun)
	}
	h.exec(2, `printf x > "$(printf 'caf\351')"; pwd`)
	var lines, directory string
	for !strings.Contains(lines, `"create"`) || directory == "" {
		switch frame := h.next(); {
		case frame.Type != protocol.TypeStdout:
		case frame.Stream == 1:
			lines += string(frame.Payload)
		default:
			directory = strings.TrimSpace(string(frame.Payload))
		}
	}
	var event protocol.WatchEvent
	if err := json.NewDecoder(strings.NewReader(lines)).Decode(&event); err != nil {
		t.Fatal(err)
	}
	if event.Path != directory+"/caf\uefe9" {
		t.Errorf("%+v in %s", event, directory)
	}
	h.send(protocol.TypeCancel, 1, nil)
	if done, _, _ := h.result(1); done["ok"] != true {
		t.Errorf("%v", done)
	}
}

func TestARequestAboutADirectoryThatIsNotThereFails(t *testing.T) {
	h := greeted(t)
	for i, request := range []string{`{"op":"pack","path":"none"}`, `{"op":"watch","path":"none","recursive":false}`} {
		h.send(protocol.TypeRequest, uint32(i+1), []byte(request))
		if failure, _, _ := h.result(uint32(i + 1)); failure["code"] != string(protocol.CodeNotFound) {
			t.Errorf("%v", failure)
		}
	}
	h.send(protocol.TypeRequest, 3, []byte(`{"op":"pack","path":""}`))
	if failure, _, _ := h.result(3); failure["code"] != string(protocol.CodeBadRequest) {
		t.Errorf("%v", failure)
	}
}
