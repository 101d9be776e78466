package session

import (
	"sync"
	"syscall"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/processes"
	"opensandbox/agent/internal/protocol"
)

// exec runs a command from start to answer.
func (s *session) exec(st *stream, request protocol.Exec) (any, error) {
	process, err := s.guest.Start(request)
	if err != nil {
		return nil, err
	}
	st.attach(process, func() *processes.Process {
		return s.guest.Processes().Adopt(textOf(request), process)
	})
	if request.Pty != nil {
		if err := s.event(st, protocol.ExecBegun{PID: process.PID()}); err != nil {
			s.log.Printf("stream %d: %v", st.id, err)
		}
	}
	var copies sync.WaitGroup
	copyOutput(&copies, process.Stdout, s.stdout(st), processes.Stdout)
	copyOutput(&copies, process.Stderr, s.stderr(st), processes.Stderr)
	if process.Stdin != nil {
		go s.feed(st, process)
	}
	status, ran := process.Wait()
	copies.Wait()
	st.stdin.close()
	cancelled, kept := st.detach()
	if kept != nil {
		process.Release()
		s.guest.Processes().End(kept, status)
		return nil, errGone
	}
	if cancelled && !process.WaitGone() {
		s.log.Printf("stream %d: something of the command outlives its end", st.id)
	}
	// The host need not wait for this.
	go process.Release()

	done := protocol.ExecDone{OK: true, GuestUs: ran.Microseconds()}
	describe(&done, status, cancelled)
	if request.Sync {
		synced, err := s.guest.Sync()
		if err != nil {
			return nil, err
		}
		done.SyncUs, done.Wrote = synced.Took.Microseconds(), synced.Wrote
	}
	return done, nil
}

func describe(done *protocol.ExecDone, status syscall.WaitStatus, cancelled bool) {
	if cancelled || status.Signaled() {
		name := command.SignalName(syscall.SIGKILL)
		if !cancelled {
			name = command.SignalName(status.Signal())
		}
		done.Signal = &name
		return
	}
	code := status.ExitStatus()
	done.ExitCode = &code
}

// textOf is what to call the command by.
func textOf(request protocol.Exec) string {
	if request.Command == nil {
		return "bash -l"
	}
	return *request.Command
}

func copyOutput(all *sync.WaitGroup, from *command.Output, to *output, kind processes.Kind) {
	if from == nil {
		return
	}
	all.Add(1)
	go func() {
		defer all.Done()
		from.Copy(func(chunk []byte) error {
			written, err := to.Write(chunk)
			if kept := to.stream.keeper(); err != nil && kept != nil {
				kept.Keep(kind, chunk[written:])
				return nil
			}
			return err
		})
	}()
}

// feed brings the stream's input to the process. Input that the process does not want is thrown away, so that
// the host, who cannot know, does not wait.
func (s *session) feed(st *stream, process *command.Process) {
	for {
		input, ended := st.stdin.take()
		if len(input) == 0 {
			if ended {
				process.CloseStdin()
			}
			return
		}
		process.Stdin.Write(input)
		if grant := st.stdin.use(len(input)); grant > 0 {
			credit := protocol.Credit{Channel: protocol.ChannelStdin, Bytes: uint32(grant)}
			s.send(st, protocol.TypeCredit, credit.Encode())
		}
	}
}
