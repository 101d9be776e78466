// Package command runs commands: each in a shell, a session and a control group of its own.
package command

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/reaper"
)

// Runner starts commands.
type Runner struct {
	Reaper *reaper.Reaper
	// Groups is nil where there are no control groups. Then a killed command's process group dies, no more.
	Groups *Groups
}

// Process is a running command.
type Process struct {
	// Stdin is nil unless the command has an input. Stderr is nil when it has a terminal.
	Stdin          *os.File
	Stdout, Stderr *Output

	pid      int
	started  time.Time
	exit     <-chan reaper.Exit
	terminal bool
	groups   *Groups
	group    *group

	mu     sync.Mutex
	reaped bool
}

var shells = []struct{ path, name string }{{"/bin/bash", "bash"}, {"/bin/sh", "sh"}}

// Start runs a command. Its exit must be waited for.
func (r *Runner) Start(spec Spec) (process *Process, err error) {
	for _, shell := range shells {
		process, err = r.start(spec, shell.path, shell.name)
		if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.ENOEXEC) {
			break
		}
	}
	return process, err
}

func (r *Runner) start(spec Spec, path, name string) (*Process, error) {
	started := time.Now()
	arguments, script, err := spec.arguments(name)
	if err != nil {
		return nil, err
	}
	if script != nil {
		defer script.Close()
	}
	streams, err := spec.open()
	if err != nil {
		return nil, err
	}
	defer streams.closeGiven()
	p := &Process{started: started, terminal: spec.Terminal != nil, groups: r.Groups}
	if r.Groups != nil {
		p.group, err = r.Groups.create(spec.Background)
	}
	if err == nil {
		p.pid, p.exit, err = r.Reaper.Start(func() (int, error) {
			return p.fork(path, arguments, spec, streams, script)
		})
	}
	if err != nil {
		streams.closeKept()
		p.release()
		return nil, err
	}
	p.Stdin, p.Stdout, p.Stderr = streams.stdin, streams.stdout, streams.stderr
	return p, nil
}

// fork starts the shell. It enters its control group before its first instruction: traced, it stands still after
// exec until it is let go.
func (p *Process) fork(path string, arguments []string, spec Spec, streams *streams, script *os.File) (int, error) {
	// The thread that forks is the tracer.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	files := []uintptr{uintptr(streams.given[0]), uintptr(streams.given[1]), uintptr(streams.given[2])}
	if script != nil {
		files = append(files, script.Fd())
	}
	pid, err := syscall.ForkExec(path, arguments, &syscall.ProcAttr{
		Dir:   spec.Directory,
		Env:   spec.environment(),
		Files: files,
		Sys: &syscall.SysProcAttr{
			Setsid: true, Setctty: p.terminal, Ptrace: p.group != nil, Credential: spec.credential(),
		},
	})
	if err != nil || p.group == nil {
		return pid, err
	}
	var status syscall.WaitStatus
	if _, err = syscall.Wait4(pid, &status, 0, nil); err == nil && !status.Stopped() {
		return 0, fmt.Errorf("the shell ended before it ran: %v", status)
	}
	if err == nil {
		err = p.group.add(pid)
	}
	if err == nil {
		err = syscall.PtraceDetach(pid)
	}
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		syscall.Wait4(pid, &status, 0, nil)
		return 0, err
	}
	return pid, nil
}

// Wait waits for the shell to exit. Afterwards Stdout and Stderr end soon, whatever else still runs.
func (p *Process) Wait() (status syscall.WaitStatus, ran time.Duration) {
	exit := <-p.exit
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	for _, output := range []*Output{p.Stdout, p.Stderr} {
		if output != nil {
			output.Finish()
		}
	}
	return exit.Status, exit.At.Sub(p.started)
}

// Kill ends the command and everything that it started.
func (p *Process) Kill() {
	if p.group != nil && p.group.kill() == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}

// Signal signals the command's process group, unless its shell is over.
func (p *Process) Signal(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		syscall.Kill(-p.pid, signal)
	}
}

// The dying of thousands of processes takes its time.
const killLimit = 10 * time.Second

// WaitGone waits, after Kill, until nothing of the command runs any more, and says whether it is so.
func (p *Process) WaitGone() bool {
	return p.group == nil || p.group.waitEmpty(killLimit)
}

// Resize changes the size of the command's terminal, if it has one.
func (p *Process) Resize(size protocol.Size) {
	if !p.terminal {
		return
	}
	if connection, err := p.Stdin.SyscallConn(); err == nil {
		connection.Control(func(fd uintptr) { resizeTerminal(int(fd), size) })
	}
}

// CloseStdin ends the command's input: the pipe is closed, a terminal is sent the character for it.
func (p *Process) CloseStdin() {
	if p.terminal {
		const endOfTransmission = 4
		p.Stdin.Write([]byte{endOfTransmission})
	} else {
		p.Stdin.Close()
	}
}

// Release gives back what the command used, except the pipes that background processes still hold. A write to
// Stdin that is under way ends with an error.
func (p *Process) Release() {
	if p.terminal {
		// A background process may keep the terminal itself open.
		p.Stdin.SetWriteDeadline(time.Unix(1, 0))
	} else if p.Stdin != nil {
		p.Stdin.Close()
	}
	p.release()
}

func (p *Process) release() {
	if p.group != nil {
		p.groups.retire(p.group)
	}
}
