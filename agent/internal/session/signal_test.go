package session

import (
	"encoding/json"
	"testing"

	"opensandbox/agent/internal/protocol"
)

func TestSignalReachesTheCommandOfAnotherStream(t *testing.T) {
	h := greeted(t)
	h.exec(1, `trap 'echo caught; exit 4' USR1; echo up; while :; do sleep 0.01; done`)
	if up := h.next(); string(up.Payload) != "up\n" {
		t.Fatalf("%s", up.Payload)
	}
	h.send(protocol.TypeRequest, 2, []byte(`{"op":"signalExec","stream":1,"signal":"SIGUSR1"}`))
	var output, response string
	for response == "" {
		frame := h.next()
		switch {
		case frame.Stream == 2 && string(frame.Payload) != `{"ok":true}`:
			t.Fatalf("%s", frame.Payload)
		case frame.Type == protocol.TypeStdout:
			output += string(frame.Payload)
		case frame.Stream == 1 && frame.Type == protocol.TypeResponse:
			response = string(frame.Payload)
		}
	}
	var done protocol.ExecDone
	if err := json.Unmarshal([]byte(response), &done); err != nil {
		t.Fatal(err)
	}
	if output != "caught\n" || done.ExitCode == nil || *done.ExitCode != 4 {
		t.Errorf("it printed %q and answered %s", output, response)
	}
}

func TestSignalToNothingIsNone(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"signalExec","stream":9,"signal":"SIGTERM"}`))
	if answer := h.next(); string(answer.Payload) != `{"ok":true}` {
		t.Errorf("%s", answer.Payload)
	}
	h.send(protocol.TypeRequest, 2, []byte(`{"op":"signalExec","stream":1,"signal":"SIGNONE"}`))
	var failure protocol.Error
	if err := json.Unmarshal(h.next().Payload, &failure); err != nil {
		t.Fatal(err)
	}
	if failure.Code != protocol.CodeBadRequest {
		t.Errorf("%+v", failure)
	}
}
