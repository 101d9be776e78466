package session

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/processes"
	"opensandbox/agent/internal/protocol"
)

func (g hostGuest) StartProcess(request protocol.Start) (*processes.Process, error) {
	return g.processes.Start(request.Command, func() (*command.Process, error) {
		runner := command.Runner{Reaper: children}
		return runner.Start(command.Spec{Command: request.Command, Directory: g.directory, Stdin: true})
	})
}

func (g hostGuest) Processes() *processes.Table { return g.processes }

func (h *host) ask(stream uint32, format string, arguments ...any) map[string]any {
	h.t.Helper()
	h.send(protocol.TypeRequest, stream, []byte(fmt.Sprintf(format, arguments...)))
	response, _, _ := h.result(stream)
	return response
}

// startProcess answers the number of a new process.
func (h *host) startProcess(stream uint32, text string) int {
	h.t.Helper()
	started := h.ask(stream, `{"op":"start","command":%q}`, text)
	pid, ok := started["pid"].(float64)
	if !ok {
		h.t.Fatalf("%v", started)
	}
	return int(pid)
}

// printed is the text of records.
func printed(records string) (text string) {
	for len(records) >= protocol.OutputHeaderSize {
		end := protocol.OutputHeaderSize + int(binary.BigEndian.Uint32([]byte(records[9:13])))
		text += records[protocol.OutputHeaderSize:end]
		records = records[end:]
	}
	return text
}

func TestAProcessOutlivesTheSessionAndIsReadInTheNext(t *testing.T) {
	h := greeted(t)
	pid := h.startProcess(1, "echo before; read line; echo $line; exit 4")
	h.greet(strings.Repeat("b", 32))
	if done := h.ask(1, `{"op":"input","pid":%d,"bytes":"YWZ0ZXIK","end":false}`, pid); done["written"] != 6.0 {
		t.Errorf("%v", done)
	}
	h.send(protocol.TypeRequest, 2, []byte(fmt.Sprintf(`{"op":"output","pid":%d,"stdout":true,"stderr":true,"follow":true}`, pid)))
	done, records, _ := h.result(2)
	if text := printed(records); text != "before\nafter\n" || done["exitCode"] != 4.0 || done["running"] != false {
		t.Errorf("%q %v", text, done)
	}
	h.send(protocol.TypeRequest, 3, []byte(`{"op":"processes"}`))
	_, list, _ := h.result(3)
	if !strings.HasPrefix(list, fmt.Sprintf(`[{"pid":%d,"command":"echo before`, pid)) || !strings.Contains(list, `"exitCode":4`) {
		t.Error(list)
	}
}

func TestWhoeverCancelsTheOutputLeavesTheProcessAlone(t *testing.T) {
	h := greeted(t)
	pid := h.startProcess(1, "sleep 60")
	h.send(protocol.TypeRequest, 2, []byte(fmt.Sprintf(`{"op":"output","pid":%d,"stdout":true,"stderr":true,"follow":true}`, pid)))
	if frame := h.next(); frame.Type != protocol.TypeEvent || string(frame.Payload) != `{"offset":0}` {
		t.Errorf("%d %s", frame.Type, frame.Payload)
	}
	h.send(protocol.TypeCancel, 2, nil)
	if done, _, _ := h.result(2); done["running"] != true || done["exitCode"] != nil {
		t.Errorf("%v", done)
	}
	for i, c := range []struct{ request, code string }{
		{`{"op":"signal","pid":%d,"signal":"SIGNOT"}`, "bad_request"},
		{`{"op":"input","pid":%d,"bytes":"?","end":false}`, "bad_request"},
		{`{"op":"resize","pid":1%d,"cols":1,"rows":1}`, "no_process"},
		{`{"op":"signal","pid":%d,"startedMs":1,"signal":"SIGKILL"}`, "no_process"},
		{`{"op":"input","pid":%d,"startedMs":1,"bytes":"","end":true}`, "no_process"},
		{`{"op":"resize","pid":%d,"startedMs":1,"cols":1,"rows":1}`, "no_process"},
	} {
		if refused := h.ask(uint32(3+i), c.request, pid); refused["code"] != c.code {
			t.Errorf("%s: %v", c.request, refused)
		}
	}
	if done := h.ask(10, `{"op":"signal","pid":%d,"signal":"SIGKILL"}`, pid); done["ok"] != true {
		t.Errorf("%v", done)
	}
	h.send(protocol.TypeRequest, 11, []byte(fmt.Sprintf(`{"op":"output","pid":%d,"stdout":false,"stderr":false,"follow":true}`, pid)))
	if done, _, _ := h.result(11); done["signal"] != "SIGKILL" {
		t.Errorf("%v", done)
	}
}
