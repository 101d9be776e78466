package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"opensandbox/agent/internal/protocol"
)

// resume greets the agent as the host of a machine that goes on from an instant of another one.
func (h *host) resume() {
	h.t.Helper()
	nonce := strings.Repeat("c", 32)
	h.send(protocol.TypeHello, 0, []byte(`{"nonce":"`+nonce+`","protocol":1,"resumed":true}`))
	for {
		frame := h.next()
		if frame.Type == protocol.TypeWelcome && strings.Contains(string(frame.Payload), nonce) {
			return
		}
	}
}

// began waits until a command has printed something, and answers that.
func (h *host) began(stream uint32) string {
	h.t.Helper()
	for {
		if frame := h.next(); frame.Stream == stream && frame.Type == protocol.TypeStdout {
			return string(frame.Payload)
		}
	}
}

func (h *host) output(stream uint32, pid string) (done map[string]any, text string) {
	h.t.Helper()
	request := fmt.Sprintf(`{"op":"output","pid":%s,"stdout":true,"stderr":true,"follow":true}`, pid)
	h.send(protocol.TypeRequest, stream, []byte(request))
	done, records, _ := h.result(stream)
	return done, printed(records)
}

func TestACommandGoesOnAsAProcessInAMachineThatIsResumed(t *testing.T) {
	h := greeted(t)
	h.exec(1, `echo $$; read line; echo "$line and on" >&2; exit 5`)
	pid := strings.TrimSpace(h.began(1))
	h.resume()
	h.ask(1, `{"op":"input","pid":%s,"bytes":"b24K","end":false}`, pid)
	if done, text := h.output(2, pid); text != "on and on\n" || done["exitCode"] != 5.0 || done["running"] != false {
		t.Errorf("%q %v", text, done)
	}
}

func TestInputThatHadComeStillReachesTheCommandAndItsEndToo(t *testing.T) {
	h := greeted(t)
	h.exec(1, "echo $$; cat")
	pid := strings.TrimSpace(h.began(1))
	h.send(protocol.TypeStdin, 1, []byte("the rest"))
	h.send(protocol.TypeStdinEOF, 1, nil)
	h.resume()
	// It may have said so before.
	if done, text := h.output(1, pid); !strings.HasSuffix("the rest", text) || done["exitCode"] != 0.0 {
		t.Errorf("%q %v", text, done)
	}
}

func TestACommandThatWaitsForCreditGoesOnWithoutIt(t *testing.T) {
	h := greeted(t)
	h.exec(1, "echo $$; head -c 900000 /dev/zero; echo done")
	pid := strings.TrimSpace(h.began(1))
	h.resume()
	if done, text := h.output(1, pid); !strings.HasSuffix(text, "done\n") || done["exitCode"] != 0.0 {
		t.Errorf("%d bytes, %v", len(text), done)
	}
}

func TestACommandThatIsOnlyBeingStartedGoesOnToo(t *testing.T) {
	for round := 0; round < 20; round++ {
		h := greeted(t)
		h.exec(1, "echo begun; exit 5")
		h.resume()
		deadline := time.Now().Add(10 * time.Second)
		for stream := uint32(1); ; stream++ {
			h.send(protocol.TypeRequest, stream, []byte(`{"op":"processes"}`))
			_, listed, _ := h.result(stream)
			if strings.Contains(listed, `"exitCode":5`) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the command did not come to its end: %s", listed)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func TestWhatIsNoCommandEndsWithItsHost(t *testing.T) {
	h := greeted(t)
	h.send(protocol.TypeRequest, 1, []byte(`{"op":"listen","host":"127.0.0.1","port":0}`))
	h.next()
	h.resume()
	if done := h.ask(1, `{"op":"ping"}`); done["ok"] != true {
		t.Errorf("%v", done)
	}
	h.exec(2, "exit 3")
	if done, _, _ := h.result(2); done["exitCode"] != 3.0 {
		t.Errorf("%v", done)
	}
}

func TestASessionThatIsNotResumedKillsWhatRan(t *testing.T) {
	h := greeted(t)
	h.exec(1, "echo $$; sleep 60")
	pid := strings.TrimSpace(h.began(1))
	h.greet(strings.Repeat("b", 32))
	if done := h.ask(1, `{"op":"signal","pid":%s,"signal":"SIGCONT"}`, pid); done["code"] != "no_process" {
		t.Errorf("%v", done)
	}
}
