package processes

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/reaper"
)

var runner = command.Runner{Reaper: reaper.New()}

func start(t *testing.T, table *Table, spec command.Spec) *Process {
	t.Helper()
	process, err := tryStart(t, table, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Signal(syscall.SIGKILL)
		outputOf(process)
	})
	return process
}

func tryStart(t *testing.T, table *Table, spec command.Spec) (*Process, error) {
	spec.Directory, spec.Stdin = t.TempDir(), true
	return table.Start(spec.Command, func() (*command.Process, error) { return runner.Start(spec) })
}

// outputOf is all that a process prints until it ends.
func outputOf(process *Process) string {
	reader := process.Read(Wanted{Stdout: true, Stderr: true, Follow: true})
	defer reader.Close()
	var text strings.Builder
	for {
		piece, more := reader.Next(make([]byte, 1000))
		if !more {
			return text.String()
		}
		text.Write(piece.Bytes)
	}
}

func code(err error) protocol.Code {
	var failure *protocol.Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}

func TestAProcessIsReadAfterItsEndAndByMany(t *testing.T) {
	var table Table
	process := start(t, &table, command.Spec{Command: "echo out; echo err >&2; exit 3"})
	for i := 0; i < 2; i++ {
		if text := outputOf(process); text != "out\nerr\n" && text != "err\nout\n" {
			t.Errorf("%q", text)
		}
	}
	if end := process.End(); end == nil || end.Status.ExitStatus() != 3 {
		t.Errorf("%v", end)
	}
	if found, err := table.Find(process.PID, nil); found != process || err != nil {
		t.Errorf("%v", err)
	}
	if err := process.Signal(syscall.SIGTERM); code(err) != protocol.CodeNoProcess {
		t.Errorf("%v", err)
	}
	if _, err := process.Write([]byte("x"), false, limit); code(err) != protocol.CodeNoProcess {
		t.Errorf("%v", err)
	}
}

func TestInputIsTakenAtThePaceOfTheProcess(t *testing.T) {
	var table Table
	process := start(t, &table, command.Spec{Command: "read line; cat; echo $line"})
	n, err := process.Write([]byte("first\nsecond\n"), true, limit)
	if text := outputOf(process); n != 13 || err != nil || text != "second\nfirst\n" {
		t.Errorf("%d %v %q", n, err, text)
	}
	deaf := start(t, &table, command.Spec{Command: "sleep 60"})
	if n, err := deaf.Write(make([]byte, 1<<20), true, 10*time.Millisecond); n <= 0 || n == 1<<20 || err != nil {
		t.Errorf("%d bytes were taken: %v", n, err)
	}
	closed := start(t, &table, command.Spec{Command: "exec <&-; echo closed; sleep 60"})
	reader := closed.Read(Wanted{Stdout: true, Follow: true})
	defer reader.Close()
	reader.Next(make([]byte, 10))
	if _, err := closed.Write([]byte("x"), false, limit); code(err) != protocol.CodeInputClosed {
		t.Errorf("%v", err)
	}
}

func TestASignalReachesTheProcessGroup(t *testing.T) {
	var table Table
	process := start(t, &table, command.Spec{Command: "trap 'echo caught; exit 5' TERM; echo ready; sleep 60 & wait"})
	reader := process.Read(Wanted{Stdout: true, Follow: true})
	defer reader.Close()
	reader.Next(make([]byte, 10))
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if text := outputOf(process); text != "ready\ncaught\n" || process.End().Status.ExitStatus() != 5 {
		t.Errorf("%q %v", text, process.End())
	}
}

func TestATerminalIsResized(t *testing.T) {
	var table Table
	terminal := &command.Terminal{Size: protocol.Size{Cols: 80, Rows: 24}, Name: "vt100"}
	process := start(t, &table, command.Spec{Command: "stty -echo; echo ready; read x; stty size", Terminal: terminal})
	reader := process.Read(Wanted{Stdout: true, Follow: true})
	defer reader.Close()
	reader.Next(make([]byte, 10))
	if err := process.Resize(protocol.Size{Cols: 101, Rows: 31}); err != nil {
		t.Error(err)
	}
	if _, err := process.Write([]byte("\n"), false, limit); err != nil {
		t.Error(err)
	}
	if text := outputOf(process); !strings.Contains(text, "31 101") {
		t.Errorf("%q", text)
	}
}

func TestProcessesAreBoundedAndThoseThatEndedLastAreRemembered(t *testing.T) {
	var table Table
	var first *Process
	for i := 0; i < maxRunning; i++ {
		process := start(t, &table, command.Spec{Command: fmt.Sprintf("read x; exit %d", i)})
		if first == nil {
			first = process
		}
	}
	if _, err := tryStart(t, &table, command.Spec{Command: "true"}); code(err) != protocol.CodeTooManyProcesses {
		t.Errorf("%v", err)
	}
	list := table.List()
	for _, process := range list {
		process.Write([]byte("\n"), false, limit)
		outputOf(process)
	}
	deadline := time.Now().Add(limit)
	for len(table.List()) > maxEnded && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if kept := table.List(); len(list) != maxRunning || len(kept) != maxEnded {
		t.Errorf("%d of %d are kept", len(kept), len(list))
	}
	if _, err := table.Find(first.PID, nil); code(err) != protocol.CodeNoProcess {
		t.Errorf("%v", err)
	}
	start(t, &table, command.Spec{Command: "true"})
}

func TestAProcessIsNotTakenForAnotherOfItsNumber(t *testing.T) {
	var table Table
	process := start(t, &table, command.Spec{Command: "sleep 60"})
	for _, c := range []struct {
		later time.Duration
		want  protocol.Code
	}{{0, ""}, {time.Millisecond, protocol.CodeNoProcess}, {-time.Hour, protocol.CodeNoProcess}} {
		startedMs := process.Started.Add(c.later).UnixMilli()
		if _, err := table.Find(process.PID, &startedMs); code(err) != c.want {
			t.Errorf("started %v later: %v", c.later, err)
		}
	}
}
