// Package reaper waits for every child of this process: those that were started on purpose, whose exit it
// reports, and the orphans that the first process of a system inherits.
package reaper

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Exit is how and when a process ended.
type Exit struct {
	Status syscall.WaitStatus
	At     time.Time
}

// Reaper owns all waiting in this process. Nothing else may wait for a child.
type Reaper struct {
	mu      sync.Mutex
	waiting map[int]chan Exit
}

// New starts reaping.
func New() *Reaper {
	r := &Reaper{waiting: map[int]chan Exit{}}
	// One pending signal is enough: each makes the reaper look for all that ended.
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			r.reap()
		}
	}()
	return r
}

// Start runs start, which forks a process and answers its id, and returns where its exit will be sent. No child
// is reaped meanwhile, so start may itself wait for a stop of the new process.
func (r *Reaper) Start(start func() (pid int, err error)) (int, <-chan Exit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := start()
	if err != nil {
		return 0, nil, err
	}
	exit := make(chan Exit, 1)
	r.waiting[pid] = exit
	return pid, exit, nil
}

func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if exit, ok := r.waiting[pid]; ok && (status.Exited() || status.Signaled()) {
			delete(r.waiting, pid)
			exit <- Exit{status, time.Now()}
		}
	}
}
