package session

import (
	"fmt"
	"strings"
	"testing"

	"opensandbox/agent/internal/protocol"
)

func (h *host) answerTo(stream uint32, request string) (response map[string]any, stdout string) {
	h.t.Helper()
	h.send(protocol.TypeRequest, stream, []byte(request))
	response, stdout, _ = h.result(stream)
	return response, stdout
}

const write = `{"op":"writeFile","path":"%s","append":false,"sync":true}`

func TestAFileIsWrittenAndRead(t *testing.T) {
	h := greeted(t)
	content := strings.Repeat("0123456789abcdef", 4096)
	h.send(protocol.TypeRequest, 1, []byte(fmt.Sprintf(write, "a/file")))
	for at := 0; at < len(content); at += 1 << 14 {
		h.send(protocol.TypeStdin, 1, []byte(content[at:at+1<<14]))
	}
	h.send(protocol.TypeStdinEOF, 1, nil)
	if response, _, _ := h.result(1); response["ok"] != true || response["wrote"] != true || response["syncUs"] != 1000.0 {
		t.Errorf("%v", response)
	}
	if response, stdout := h.answerTo(2, `{"op":"readFile","path":"a/file","offset":0}`); response["size"] != 65536.0 || stdout != content {
		t.Errorf("%v and %d bytes", response, len(stdout))
	}
	if response, stdout := h.answerTo(3, `{"op":"readFile","path":"a/file","offset":16,"length":4}`); stdout != "0123" {
		t.Errorf("%v %q", response, stdout)
	}
	if response, stdout := h.answerTo(4, `{"op":"list","path":".","depth":2,"limit":9}`); response["truncated"] != false ||
		strings.Count(stdout, "\n") != 2 || !strings.HasPrefix(stdout, `{"path":"a","state":{"type":"d"`) {
		t.Errorf("%v %s", response, stdout)
	}
}

func TestAFileThatIsOpenedIsAnnouncedFirst(t *testing.T) {
	h := greeted(t)
	h.answerTo(1, `{"op":"mkdir","path":"a","sync":false}`)
	h.send(protocol.TypeRequest, 2, []byte(fmt.Sprintf(write, "file")))
	h.send(protocol.TypeStdin, 2, []byte("12345"))
	h.send(protocol.TypeStdinEOF, 2, nil)
	h.result(2)
	h.send(protocol.TypeRequest, 3, []byte(`{"op":"readFile","path":"file","offset":0}`))
	if frame := h.next(); frame.Type != protocol.TypeEvent || string(frame.Payload) != `{"size":5}` {
		t.Errorf("%v %s", frame.Type, frame.Payload)
	}
	h.result(3)
}

func TestAWriteThatIsCancelledLeavesNothing(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(fmt.Sprintf(write, "a/file")))
	h.send(protocol.TypeStdin, 1, []byte("a part"))
	h.send(protocol.TypeCancel, 1, nil)
	if response, _, _ := h.result(1); response["code"] != "cancelled" {
		t.Errorf("%v", response)
	}
	if _, stdout := h.answerTo(2, `{"op":"list","path":".","depth":9,"limit":9}`); stdout != "" {
		t.Errorf("%s", stdout)
	}
}

func TestAReaderThatGoesAwayEndsTheRead(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"readFile","path":"/proc/self/exe","offset":0}`))
	for received := 0; received <= protocol.OutputWindow-protocol.MaxOutput; {
		if frame := h.next(); frame.Type == protocol.TypeStdout {
			received += len(frame.Payload)
		}
	}
	h.send(protocol.TypeCancel, 1, nil)
	if response, _, _ := h.result(1); response["ok"] != false {
		t.Errorf("%v", response)
	}
}

func TestRequestsAboutFilesAreCheckedAndRefused(t *testing.T) {
	h := greeted(t)
	for i, c := range []struct{ request, code string }{
		{`{"op":"stat","path":""}`, "bad_request"},
		{`{"op":"stat","path":"a\u0000b"}`, "bad_request"},
		{`{"op":"stat","path":"` + strings.Repeat("x", 4097) + `"}`, "bad_request"},
		{`{"op":"stat","path":"none"}`, "not_found"},
		{`{"op":"list","path":".","depth":0,"limit":1}`, "bad_request"},
		{`{"op":"list","path":".","depth":1,"limit":0}`, "bad_request"},
		{`{"op":"readFile","path":"a","offset":-1}`, "bad_request"},
		{`{"op":"readFile","path":".","offset":0}`, "not_a_file"},
		{`{"op":"mkdir","path":"a","mode":4096,"sync":false}`, "bad_request"},
		{`{"op":"mkdir","path":"a","owner":"","sync":false}`, "bad_request"},
		{`{"op":"mkdir","path":"a","owner":"no-such-user","sync":false}`, "unknown_owner"},
		{`{"op":"remove","path":"none","recursive":true,"sync":false}`, "not_found"},
		{`{"op":"rename","from":"none","to":"","overwrite":false,"sync":false}`, "bad_request"},
		{`{"op":"rename","from":"none","to":"a","overwrite":false,"sync":false}`, "not_found"},
		{`{"op":"copy","from":"none","to":"a","overwrite":false,"sync":false}`, "not_found"},
		{`{"op":"setAttributes","path":"none","mode":1,"sync":false}`, "not_found"},
	} {
		if response, _ := h.answerTo(uint32(i+1), c.request); response["ok"] != false || response["code"] != c.code {
			t.Errorf("%.60s: %v", c.request, response)
		}
	}
}
