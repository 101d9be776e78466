// Package processes keeps processes that outlive the session in which they were started: what they print, until it is
// read, and how they ended.
package processes

import (
	"sync"
	"syscall"
	"time"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/protocol"
)

// Process is a command that goes on until it ends or is killed, whoever listens.
type Process struct {
	PID     int
	Command string
	Started time.Time

	running *command.Process
	output  *ring
	// Holds one token, which whoever writes input has.
	writing chan struct{}

	mu  sync.Mutex
	end *End
}

// End is how and when a process ended.
type End struct {
	Status syscall.WaitStatus
	At     time.Time
}

func newProcess(text string, running *command.Process) *Process {
	return &Process{
		PID: running.PID(), Command: text, Started: running.Started(),
		running: running, output: newRing(), writing: make(chan struct{}, 1),
	}
}

// supervise keeps what the process prints until it has ended.
func (p *Process) supervise() {
	var copies sync.WaitGroup
	p.keep(&copies, Stdout, p.running.Stdout)
	p.keep(&copies, Stderr, p.running.Stderr)
	status, _ := p.running.Wait()
	copies.Wait()
	p.running.Release()
	p.ended(status)
}

func (p *Process) ended(status syscall.WaitStatus) {
	p.mu.Lock()
	p.end = &End{status, time.Now()}
	p.mu.Unlock()
	p.output.close()
}

// A process that floods while nobody listens is slowed to a few megabytes a second, so that it does not cost those that
// are heard.
const floodPause = 5 * time.Millisecond

func (p *Process) keep(all *sync.WaitGroup, kind Kind, from *command.Output) {
	if from == nil {
		return
	}
	all.Add(1)
	go func() {
		defer all.Done()
		from.Copy(func(chunk []byte) error {
			p.Keep(kind, chunk)
			return nil
		})
	}()
}

// Keep keeps what the process printed.
func (p *Process) Keep(kind Kind, chunk []byte) {
	if heard := p.output.append(kind, chunk); !heard && len(chunk) == protocol.MaxData {
		time.Sleep(floodPause)
	}
}

// End says how the process ended: nil as long as it runs.
func (p *Process) End() *End {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// Read begins to read what it prints.
func (p *Process) Read(wanted Wanted) *Reader {
	return p.output.read(wanted)
}

// Write gives the process input, for as long as the limit says, and answers how much of it was taken. With end it closes
// the input once all was.
func (p *Process) Write(input []byte, end bool, limit time.Duration) (written int, err error) {
	deadline := time.Now().Add(limit)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case p.writing <- struct{}{}:
	case <-timer.C:
		return 0, nil
	}
	defer func() { <-p.writing }()
	if p.End() != nil {
		return 0, hasEnded(p.PID)
	}
	return p.running.WriteStdin(input, end, deadline)
}

// Signal sends a signal to the process and all in its process group; SIGKILL to everything that it started.
func (p *Process) Signal(signal syscall.Signal) error {
	if p.End() != nil {
		return hasEnded(p.PID)
	}
	if signal == syscall.SIGKILL {
		p.running.Kill()
	} else {
		p.running.Signal(signal)
	}
	return nil
}

// Resize changes the size of its terminal, if it has one.
func (p *Process) Resize(size protocol.Size) error {
	if p.End() != nil {
		return hasEnded(p.PID)
	}
	p.running.Resize(size)
	return nil
}

func hasEnded(pid int) error {
	return protocol.Errorf(protocol.CodeNoProcess, "the process %d has ended", pid)
}
