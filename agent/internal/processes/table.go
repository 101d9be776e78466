package processes

import (
	"sort"
	"sync"
	"syscall"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/protocol"
)

const (
	// maxRunning bounds the processes that run at one time.
	maxRunning = 64
	// maxEnded is how many are remembered after their end.
	maxEnded = 16
)

// Table has the processes that run and those that ended last. Its zero value is empty.
type Table struct {
	mu       sync.Mutex
	starting int
	running  map[int]*Process
	// In the order of their ends.
	ended []*Process
}

// Start adds a process, which start starts.
func (t *Table) Start(text string, start func() (*command.Process, error)) (*Process, error) {
	if err := t.reserve(); err != nil {
		return nil, err
	}
	running, err := start()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.starting--
	if err != nil {
		return nil, err
	}
	process := newProcess(text, running)
	t.forget(process.PID)
	t.running[process.PID] = process
	go func() {
		process.supervise()
		t.retire(process)
	}()
	return process, nil
}

// Adopt adds a process that was started elsewhere, however many there are. Who adds it hands over what it prints (Keep)
// and how it ends (End).
func (t *Table) Adopt(text string, running *command.Process) *Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prepare()
	process := newProcess(text, running)
	t.forget(process.PID)
	t.running[process.PID] = process
	return process
}

// End says how an adopted process ended, after all that it printed.
func (t *Table) End(process *Process, status syscall.WaitStatus) {
	process.ended(status)
	t.retire(process)
}

func (t *Table) prepare() {
	if t.running == nil {
		t.running = map[int]*Process{}
	}
}

func (t *Table) reserve() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prepare()
	if len(t.running)+t.starting >= maxRunning {
		return protocol.Errorf(protocol.CodeTooManyProcesses, "%d processes run already", maxRunning)
	}
	t.starting++
	return nil
}

// forget drops an ended process whose number the kernel has given to another.
func (t *Table) forget(pid int) {
	for i, process := range t.ended {
		if process.PID == pid {
			t.ended = append(t.ended[:i:i], t.ended[i+1:]...)
			return
		}
	}
}

func (t *Table) retire(process *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// The number may be another's by now.
	if t.running[process.PID] != process {
		return
	}
	delete(t.running, process.PID)
	t.ended = append(t.ended, process)
	if surplus := len(t.ended) - maxEnded; surplus > 0 {
		t.ended = append([]*Process(nil), t.ended[surplus:]...)
	}
}

// Find finds a process that runs or ended lately. It is not one that was started at another time than startedMs, in Unix
// milliseconds, unless that is nil.
func (t *Table) Find(pid int, startedMs *int64) (*Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	process := t.numbered(pid)
	if process == nil {
		return nil, protocol.Errorf(protocol.CodeNoProcess, "there is no process %d", pid)
	}
	if startedMs != nil && process.Started.UnixMilli() != *startedMs {
		return nil, protocol.Errorf(protocol.CodeNoProcess, "the process %d is another one now", pid)
	}
	return process, nil
}

func (t *Table) numbered(pid int) *Process {
	if process := t.running[pid]; process != nil {
		return process
	}
	for _, process := range t.ended {
		if process.PID == pid {
			return process
		}
	}
	return nil
}

// List answers all of them, in the order of their starts.
func (t *Table) List() []*Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := append([]*Process(nil), t.ended...)
	for _, process := range t.running {
		list = append(list, process)
	}
	sort.Slice(list, func(a, b int) bool { return list[a].Started.Before(list[b].Started) })
	return list
}
