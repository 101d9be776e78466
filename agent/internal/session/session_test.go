package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/disk"
	"opensandbox/agent/internal/files"
	"opensandbox/agent/internal/processes"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/reaper"
)

const limit = 20 * time.Second

var children = reaper.New()

// hostGuest runs commands on the machine that runs the tests, without control groups.
type hostGuest struct {
	hostPorts
	directory string
	processes *processes.Table
}

func (g hostGuest) Uptime() time.Duration { return time.Second }

func (g hostGuest) Setup(protocol.Setup) (time.Duration, error) { panic("a request that goes wrong") }

func (g hostGuest) Rehearse(protocol.Rehearse) error { panic("a request that goes wrong") }

func (g hostGuest) Freeze() error { return nil }

func (g hostGuest) Thaw() error { return nil }

func (g hostGuest) Resume(protocol.Resume) error { return nil }

func (g hostGuest) Start(request protocol.Exec) (*command.Process, error) {
	runner := command.Runner{Reaper: children}
	return runner.Start(command.Spec{Command: *request.Command, Directory: g.directory, Stdin: request.Stdin})
}

func (g hostGuest) Sync() (disk.Synced, error) {
	return disk.Synced{Took: time.Millisecond, Wrote: true}, nil
}

func (g hostGuest) Wipe() error {
	return protocol.Errorf(protocol.CodeWipeIncomplete, "one entry is left")
}

func (g hostGuest) Changes(limit int, report func(protocol.Change) error) (bool, error) {
	state := &protocol.FileState{Type: protocol.TypeRegular, Mode: 0o644, Ino: "1"}
	for i := 0; i < limit; i++ {
		if err := report(protocol.Change{Path: "/file", Now: state}); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (g hostGuest) Read(path string, limit int64, to io.Writer) (int64, error) {
	n, err := to.Write([]byte(path))
	return int64(n), err
}

func (g hostGuest) Digest(paths []string) ([]*string, error) {
	digests := make([]*string, len(paths))
	digests[0] = &paths[0]
	return digests, nil
}

func (g hostGuest) Files() (files.Files, error) { return files.Files{Workspace: g.directory}, nil }

// host is the other end of a session.
type host struct {
	t       *testing.T
	conn    net.Conn
	decoder protocol.Decoder
}

func connect(t *testing.T) *host {
	t.Helper()
	ours, theirs := net.Pipe()
	server := &Server{
		Guest:   hostGuest{directory: t.TempDir(), processes: &processes.Table{}},
		Welcome: func(hello protocol.Hello) protocol.Welcome { return protocol.Welcome{Nonce: hello.Nonce, Protocol: 1} },
		Log:     log.New(io.Discard, "", 0),
	}
	done := make(chan error)
	go func() { done <- server.Serve(theirs) }()
	t.Cleanup(func() {
		server.end()
		theirs.Close()
		<-done
		ours.Close()
	})
	return &host{t: t, conn: ours}
}

func greeted(t *testing.T) *host {
	t.Helper()
	h := connect(t)
	h.greet(strings.Repeat("a", 32))
	return h
}

func (h *host) greet(nonce string) {
	h.t.Helper()
	h.send(protocol.TypeHello, 0, []byte(`{"nonce":"`+nonce+`","protocol":1}`))
	for {
		frame := h.next()
		if frame.Type == protocol.TypeWelcome && strings.Contains(string(frame.Payload), nonce) {
			return
		}
	}
}

func (h *host) send(kind protocol.Type, stream uint32, payload []byte) {
	h.t.Helper()
	b, err := protocol.Append(nil, protocol.Frame{Type: kind, Stream: stream, Payload: payload})
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(b)
}

func (h *host) write(b []byte) {
	h.t.Helper()
	h.conn.SetWriteDeadline(time.Now().Add(limit))
	if _, err := h.conn.Write(b); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) exec(stream uint32, text string) {
	h.t.Helper()
	request, err := json.Marshal(protocol.Exec{Op: "exec", Command: &text, Stdin: true})
	if err != nil {
		h.t.Fatal(err)
	}
	h.send(protocol.TypeRequest, stream, request)
}

func (h *host) next() protocol.Frame {
	h.t.Helper()
	buffer := make([]byte, 4096)
	for {
		frame, event := h.decoder.Next()
		if event == protocol.Decoded {
			return frame
		}
		if event == protocol.Lost {
			h.t.Fatal("the agent sent what is no frame")
		}
		h.conn.SetReadDeadline(time.Now().Add(limit))
		n, err := h.conn.Read(buffer)
		if err != nil {
			h.t.Fatal(err)
		}
		h.decoder.Write(buffer[:n])
	}
}

// result reads until the stream's response, granting credit, and answers it with what was printed.
func (h *host) result(stream uint32) (response map[string]any, stdout, stderr string) {
	h.t.Helper()
	for {
		frame := h.next()
		if frame.Stream != stream {
			continue
		}
		switch frame.Type {
		case protocol.TypeStdout:
			stdout += string(frame.Payload)
			credit := protocol.Credit{Channel: protocol.ChannelStdout, Bytes: uint32(len(frame.Payload))}
			h.send(protocol.TypeCredit, stream, credit.Encode())
		case protocol.TypeStderr:
			stderr += string(frame.Payload)
		case protocol.TypeResponse:
			if err := json.Unmarshal(frame.Payload, &response); err != nil {
				h.t.Fatal(err)
			}
			return response, stdout, stderr
		}
	}
}

func TestACommandsOutputAndExitCodeComeBack(t *testing.T) {
	h := greeted(t)
	h.exec(1, "echo out; echo err >&2; exit 7")
	response, stdout, stderr := h.result(1)
	if response["exitCode"] != 7.0 || response["signal"] != nil || stdout != "out\n" || stderr != "err\n" {
		t.Errorf("%v %q %q", response, stdout, stderr)
	}
}

func TestASignalThatEndsTheShellIsNamed(t *testing.T) {
	h := greeted(t)
	h.exec(1, "kill -TERM $$")
	if response, _, _ := h.result(1); response["signal"] != "SIGTERM" || response["exitCode"] != nil {
		t.Errorf("%v", response)
	}
}

func TestABackgroundProcessDoesNotHoldTheResultBack(t *testing.T) {
	h := greeted(t)
	h.exec(1, "sleep 60 & echo $!")
	response, pid, _ := h.result(1)
	if response["exitCode"] != 0.0 {
		t.Errorf("%v", response)
	}
	h.exec(2, "kill "+pid)
	if response, _, stderr := h.result(2); response["exitCode"] != 0.0 {
		t.Errorf("the background process is gone: %q", stderr)
	}
}

func TestABackgroundProcessCanGoOnPrinting(t *testing.T) {
	h := greeted(t)
	h.exec(1, `(trap '' HUP; for i in $(seq 300); do head -c 1000 /dev/zero || exit; done; echo done > mark) & echo started`)
	h.result(1)
	h.exec(2, "until test -e mark; do sleep 0.01; done; cat mark")
	if _, stdout, stderr := h.result(2); stdout != "done\n" {
		t.Errorf("%q %q", stdout, stderr)
	}
}

func TestInputReachesTheCommand(t *testing.T) {
	h := greeted(t)
	h.exec(1, "cat; echo end")
	h.send(protocol.TypeStdin, 1, []byte("one "))
	h.send(protocol.TypeStdin, 1, []byte("two "))
	h.send(protocol.TypeStdinEOF, 1, nil)
	if _, stdout, _ := h.result(1); stdout != "one two end\n" {
		t.Errorf("%q", stdout)
	}
}

func TestInputIsGrantedCreditAlsoWhenTheCommandDoesNotReadIt(t *testing.T) {
	h := greeted(t)
	h.exec(1, "exec <&-; sleep 60")
	h.send(protocol.TypeStdin, 1, make([]byte, protocol.MaxData))
	h.send(protocol.TypeStdin, 1, make([]byte, protocol.MaxData))
	h.send(protocol.TypeStdin, 1, make([]byte, protocol.MaxData))
	credit, err := protocol.ParseCredit(h.next().Payload)
	if err != nil || credit.Channel != protocol.ChannelStdin || credit.Bytes < creditStep {
		t.Errorf("%v %v", credit, err)
	}
}

// lastOfWindow is what may have been sent when a whole frame of a command still fits into the window.
const lastOfWindow = protocol.OutputWindow - protocol.MaxData

func TestOutputStopsAtTheEndOfItsCreditAndOtherStreamsGoOn(t *testing.T) {
	const printed = 2 * protocol.OutputWindow
	h := greeted(t)
	h.exec(1, fmt.Sprintf("head -c %d /dev/zero", printed))
	received := 0
	for received <= lastOfWindow {
		received += len(h.next().Payload)
	}
	h.exec(2, "echo free")
	if _, stdout, _ := h.result(2); stdout != "free\n" || received > protocol.OutputWindow {
		t.Errorf("%q after %d bytes", stdout, received)
	}
	credit := protocol.Credit{Channel: protocol.ChannelStdout, Bytes: uint32(received)}
	h.send(protocol.TypeCredit, 1, credit.Encode())
	if _, stdout, _ := h.result(1); received+len(stdout) != printed {
		t.Errorf("%d bytes in all", received+len(stdout))
	}
}

func TestACancelledCommandIsKilledAlsoWhenItsOutputHasNoCredit(t *testing.T) {
	h := greeted(t)
	h.exec(1, "trap '' TERM; cat /dev/zero")
	for received := 0; received <= lastOfWindow; {
		received += len(h.next().Payload)
	}
	h.send(protocol.TypeCancel, 1, nil)
	if response, _, _ := h.result(1); response["signal"] != "SIGKILL" || response["exitCode"] != nil {
		t.Errorf("%v", response)
	}
}

func TestANewHelloInTheMiddleOfAFrameBeginsANewSession(t *testing.T) {
	h := greeted(t)
	h.exec(1, "echo $$ > pid; exec sleep 60")
	h.exec(2, "until test -s pid; do sleep 0.01; done")
	h.result(2)
	h.write([]byte{0x4F, 0x53, 1, byte(protocol.TypeStdin), 0, 0, 0, 1, 0, 0, 0x40, 0, 'x'})
	h.write(make([]byte, protocol.HeaderSize+protocol.MaxRequest))
	h.greet(strings.Repeat("b", 32))
	h.exec(1, "while kill -0 $(cat pid); do sleep 0.01; done 2> /dev/null; echo gone")
	if _, stdout, _ := h.result(1); stdout != "gone\n" {
		t.Errorf("%q", stdout)
	}
}

func TestErrorsAreAnswered(t *testing.T) {
	h := greeted(t)
	for i, c := range []struct{ request, code string }{
		{`{"op":"fly"}`, "bad_request"},
		{`{"op":"ping"`, "bad_request"},
		{`{"op":"exec","command":"a\u0000b","stdin":false,"sync":false}`, "bad_request"},
		{`{"op":"exec","command":"true","user":"a:b","stdin":false,"sync":false}`, "bad_request"},
		{`{"op":"wipe"}`, "wipe_incomplete"},
		{`{"op":"changes","limit":0}`, "bad_request"},
		{`{"op":"rehearse","device":"/dev/../etc"}`, "bad_request"},
		{`{"op":"read","path":"","limit":1}`, "bad_request"},
		{`{"op":"digest","paths":["a\u0000b"]}`, "bad_request"},
		{`{"op":"setup","device":"/dev/vdb","hostname":"box","machineId":"` + strings.Repeat("0", 32) +
			`","unixTimeMs":1,"entropy":"` + strings.Repeat("A", 44) + `"}`, "internal"},
	} {
		h.send(protocol.TypeRequest, uint32(i+1), []byte(c.request))
		if response, _, _ := h.result(uint32(i + 1)); response["ok"] != false || response["code"] != c.code {
			t.Errorf("%s: %v", c.request, response)
		}
	}
	h.send(protocol.TypeRequest, 99, []byte(`{"op":"ping"}`))
	if response, _, _ := h.result(99); response["ok"] != true || response["uptimeMs"] != 1000.0 {
		t.Errorf("%v", response)
	}
}

func TestChangesComeAsLinesAndTheirEndSaysThatThereAreMore(t *testing.T) {
	const many = 5000
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(fmt.Sprintf(`{"op":"changes","limit":%d}`, many)))
	response, stdout, _ := h.result(1)
	const line = `{"path":"/file","was":null,"now":{"type":"f","mode":420,"uid":0,"gid":0,"size":0,` +
		`"mtimeNs":"","ctimeNs":"","ino":"1"}}` + "\n"
	if response["truncated"] != true || stdout != strings.Repeat(line, many) {
		t.Errorf("%v and %d bytes, beginning with %.200s", response, len(stdout), stdout)
	}
}

func TestPathsThatAreNoTextReachTheGuest(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"read","path":"caf\uefe9","limit":5}`))
	if response, stdout, _ := h.result(1); response["size"] != 4.0 || stdout != "caf\xe9" {
		t.Errorf("%v %q", response, stdout)
	}
	h.send(protocol.TypeRequest, 2, []byte(`{"op":"digest","paths":["a","b"]}`))
	if response, _, _ := h.result(2); !reflect.DeepEqual(response["digests"], []any{"a", nil}) {
		t.Errorf("%v", response)
	}
}

func TestAHostThatBreaksTheProtocolIsNotHeardUntilItsNextHello(t *testing.T) {
	breaches := map[string][]byte{
		"a stream used twice":              frames(t, protocol.Frame{Type: protocol.TypeRequest, Stream: 5, Payload: []byte(`{"op":"ping"}`)}),
		"a stream never opened":            frames(t, protocol.Frame{Type: protocol.TypeCancel, Stream: 77}),
		"credit beyond the window":         frames(t, protocol.Frame{Type: protocol.TypeCredit, Stream: 5, Payload: protocol.Credit{Channel: 1, Bytes: 1}.Encode()}),
		"input after its end":              frames(t, protocol.Frame{Type: protocol.TypeStdinEOF, Stream: 5}, protocol.Frame{Type: protocol.TypeStdin, Stream: 5, Payload: []byte("x")}),
		"a frame that only an agent sends": frames(t, protocol.Frame{Type: protocol.TypeStdout, Stream: 5, Payload: []byte("x")}),
	}
	for name, breach := range breaches {
		h := greeted(t)
		h.exec(5, "sleep 60")
		h.write(breach)
		h.send(protocol.TypeRequest, 6, []byte(`{"op":"ping"}`))
		h.greet(strings.Repeat("c", 32))
		h.send(protocol.TypeRequest, 7, []byte(`{"op":"ping"}`))
		if frame := h.next(); frame.Stream != 7 {
			t.Errorf("%s: stream %d was answered", name, frame.Stream)
		}
	}
}

func frames(t *testing.T, list ...protocol.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, frame := range list {
		encoded, err := protocol.Append(nil, frame)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(encoded)
	}
	return b.Bytes()
}
