package command

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"opensandbox/agent/internal/account"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/reaper"
)

var runner = Runner{Reaper: reaper.New()}

// run runs a command to its end and answers what it printed.
func run(t *testing.T, spec Spec) (stdout string, status syscall.WaitStatus) {
	t.Helper()
	if spec.Directory == "" {
		spec.Directory = t.TempDir()
	}
	process, err := runner.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	var copies sync.WaitGroup
	for _, output := range []*Output{process.Stdout, process.Stderr} {
		if output == nil {
			continue
		}
		copies.Add(1)
		go func(output *Output) {
			defer copies.Done()
			output.Copy(func(chunk []byte) error {
				if output == process.Stdout {
					printed.Write(chunk)
				}
				return nil
			})
		}(output)
	}
	status, ran := process.Wait()
	copies.Wait()
	process.Release()
	if ran <= 0 || ran > time.Minute {
		t.Errorf("it ran for %v", ran)
	}
	return printed.String(), status
}

func TestACommandTooLongForAnArgumentRunsAsAnyOther(t *testing.T) {
	text := "echo $0; ls /proc/self/fd | wc -w"
	short, _ := run(t, Spec{Command: text})
	long, _ := run(t, Spec{Command: ": " + strings.Repeat("x", 2*maxArgument) + "\n" + text})
	if long != short || !strings.HasPrefix(long, "bash\n") {
		t.Errorf("%q, not %q", long, short)
	}
}

func TestTheEnvironmentIsTheUsualOneAndWhatIsAdded(t *testing.T) {
	stdout, _ := run(t, Spec{Command: "env | grep -c TERM; echo $HOME $USER $LANG $ADDED", Environment: map[string]string{"ADDED": "1", "LANG": "C"}})
	if stdout != "0\n/root root C 1\n" {
		t.Errorf("%q", stdout)
	}
}

func TestAUserRunsTheCommandWithTheirOwnGroupsHomeAndPipes(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can run something as somebody else")
	}
	user := &account.Account{Name: "ann", UID: 4711, GID: 4712, Groups: []uint32{4713}, Home: "/home/ann"}
	text := "id -u; id -G; echo $HOME $USER $LOGNAME; echo by name > /dev/stdout"
	for _, command := range []string{text, ": " + strings.Repeat("x", maxArgument) + "\n" + text} {
		stdout, status := run(t, Spec{Command: command, User: user, Directory: "/"})
		if stdout != "4711\n4712 4713\n/home/ann ann ann\nby name\n" || status.ExitStatus() != 0 {
			t.Errorf("%q %v", stdout, status)
		}
	}
	terminal := &Terminal{Size: protocol.Size{Cols: 80, Rows: 24}, Name: "vt100"}
	stdout, _ := run(t, Spec{Command: "echo by name > $(tty)", User: user, Directory: "/", Terminal: terminal})
	if stdout != "by name\r\n" {
		t.Errorf("%q", stdout)
	}
}

func TestATerminalHasASizeAndANameAndEnds(t *testing.T) {
	terminal := &Terminal{Size: protocol.Size{Cols: 101, Rows: 31}, Name: "vt100"}
	stdout, status := run(t, Spec{Command: "stty size; echo $TERM; test -t 0 -a -t 1 -a -t 2", Terminal: terminal})
	if stdout != "31 101\r\nvt100\r\n" || status.ExitStatus() != 0 {
		t.Errorf("%q %v", stdout, status)
	}
}

func TestALoginShellRunsWhatItReads(t *testing.T) {
	process, err := runner.Start(Spec{Directory: t.TempDir(), Stdin: true})
	if err != nil {
		t.Fatal(err)
	}
	go process.Stdout.Copy(func([]byte) error { return nil })
	go process.Stderr.Copy(func([]byte) error { return nil })
	process.Stdin.WriteString("exit 9\n")
	if status, _ := process.Wait(); status.ExitStatus() != 9 {
		t.Errorf("%v", status)
	}
	process.Release()
}

func TestAllThatIsInThePipeAtTheExitIsHandedOver(t *testing.T) {
	for i := 0; i < 20; i++ {
		stdout, _ := run(t, Spec{Command: "sleep 2 & head -c 60000 /dev/zero"})
		if len(stdout) != 60000 {
			t.Fatalf("%d bytes", len(stdout))
		}
	}
}

func TestAllThatWasPrintedInATerminalIsHandedOverHoweverLateItIsTaken(t *testing.T) {
	const printed = 300_000
	terminal := &Terminal{Size: protocol.Size{Cols: 80, Rows: 24}, Name: "xterm"}
	for _, text := range []string{"", "(trap '' HUP; exec sleep 2) & "} {
		process, err := runner.Start(Spec{
			Command: text + "head -c 300000 /dev/zero", Directory: t.TempDir(), Terminal: terminal,
		})
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		copied := make(chan struct{})
		exited := make(chan struct{})
		go func() {
			defer close(copied)
			process.Stdout.Copy(func(chunk []byte) error {
				taken += len(chunk)
				select {
				case <-exited:
					// Whoever takes it may be slow.
					time.Sleep(60 * time.Millisecond)
				default:
				}
				return nil
			})
		}()
		process.Wait()
		close(exited)
		<-copied
		process.Release()
		if taken != printed {
			t.Errorf("%d bytes of %d after %q", taken, printed, text)
		}
	}
}

func TestACommandInADirectoryThatIsGoneDoesNotStart(t *testing.T) {
	if _, err := runner.Start(Spec{Command: "true", Directory: "/does/not/exist"}); err == nil {
		t.Error("it started")
	}
}

func TestSignalsHaveNames(t *testing.T) {
	for signal, name := range map[syscall.Signal]string{9: "SIGKILL", 31: "SIGSYS", 34: "SIG34", 64: "SIG64"} {
		if SignalName(signal) != name {
			t.Errorf("%d is %s", signal, SignalName(signal))
		}
	}
}
