// Package rehearsal does once, for nobody, what a machine does when it gets its disk and its first command. Software
// emulation translates code when it runs for the first time, which takes longer than to run it: a machine that waits to
// be used has that behind it.
package rehearsal

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/disk"
	"opensandbox/agent/internal/identity"
)

const limit = 20 * time.Second

// Run plays on a thread that has mounts and a hostname of its own, and waits until everything that was mounted is gone: a
// disk that is still mounted would be taken for the one that follows it.
func Run(runner *command.Runner, device string) error {
	late := time.After(limit)
	played := make(chan error, 1)
	go apart(func(err error) {
		if err == nil {
			err = play(runner, device)
		}
		played <- err
	})
	select {
	case err := <-played:
		if err != nil {
			return err
		}
		return untilFree(device, late)
	case <-late:
		return errors.New("the rehearsal did not come to its end")
	}
}

// apart calls act on a thread that ends with it, and with the thread what it has to itself: its mounts, its root, its
// hostname.
func apart(act func(error)) {
	// Never undone below, which is what makes the thread end with this goroutine.
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() {
		// The first thread ends only with the program. While it is held here, another one is found.
		done := make(chan struct{})
		go func() {
			defer close(done)
			apart(act)
		}()
		<-done
		runtime.UnlockOSThread()
		return
	}
	act(syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS))
}

// untilFree waits until nobody has the device mounted.
func untilFree(device string, late <-chan time.Time) error {
	for {
		// Whoever opens a device for himself alone is refused while it is mounted.
		fd, err := syscall.Open(device, syscall.O_RDONLY|syscall.O_EXCL|syscall.O_CLOEXEC, 0)
		if err == nil {
			return syscall.Close(fd)
		}
		select {
		case <-late:
			return &os.PathError{Op: "let go of", Path: device, Err: err}
		case <-time.After(time.Millisecond):
		}
	}
}

func play(runner *command.Runner, device string) error {
	mounted, err := disk.Mount(device, 0, nil)
	if err != nil {
		return err
	}
	defer mounted.Close()
	if err := identity.SetHostname("/", "rehearsal", identity.Replace); err != nil {
		return err
	}
	if err := identity.SetMachineID("/", fmt.Sprintf("%032d", 0), identity.Replace); err != nil {
		return err
	}
	if _, err := mounted.Sync(); err != nil {
		return err
	}
	if err := runCommand(runner); err != nil {
		return err
	}
	_, err = mounted.Sync()
	return err
}

func runCommand(runner *command.Runner) error {
	process, err := runner.Start(command.Spec{Command: "true", Directory: "/"})
	if err != nil {
		return err
	}
	var copies sync.WaitGroup
	for _, output := range []*command.Output{process.Stdout, process.Stderr} {
		copies.Add(1)
		go func(output *command.Output) {
			defer copies.Done()
			output.Copy(func([]byte) error { return nil })
		}(output)
	}
	process.Wait()
	copies.Wait()
	// What still ran would keep the disk mounted.
	if !process.WaitGone() {
		return errors.New("something of the command outlives its end")
	}
	process.Release()
	return nil
}
