// Package guest is the machine as the host sees it: what can be asked of it, and when.
package guest

import (
	"encoding/base64"
	"errors"
	"log"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"opensandbox/agent/internal/account"
	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/dirt"
	"opensandbox/agent/internal/disk"
	"opensandbox/agent/internal/identity"
	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/processes"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/workspace"
)

const workspacePath = "/workspace"

// Guest is a machine that becomes ready by one setup.
type Guest struct {
	Runner *command.Runner
	// Dirt knows when a sync has nothing to do. Without it each is done.
	Dirt *dirt.Watch
	Log  *log.Logger

	processes processes.Table

	mu   sync.Mutex
	disk *disk.Disk
	// Open since the setup.
	random *os.File
	// Whether what commands and processes started stands still.
	frozen bool
}

// Ready says whether the machine was set up.
func (g *Guest) Ready() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.disk != nil
}

// Uptime is the time since the kernel started, as far as the machine ran.
func (g *Guest) Uptime() time.Duration {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return time.Duration(info.Uptime) * time.Second
}

// Setup mounts the machine's disk and gives the machine its own identity. What can wait, its names, is done while
// the answer travels; whatever is asked next waits for that.
func (g *Guest) Setup(request protocol.Setup) (time.Duration, error) {
	g.mu.Lock()
	took, err := g.setUp(request)
	if err != nil {
		g.mu.Unlock()
		return 0, err
	}
	go func() {
		defer g.mu.Unlock()
		g.name(request.Hostname, request.MachineID, identity.Replace)
		g.nameServer(request)
	}()
	return took, nil
}

func (g *Guest) setUp(request protocol.Setup) (time.Duration, error) {
	if g.disk != nil {
		return 0, protocol.Errorf(protocol.CodeAlreadySetUp, "this machine was set up before")
	}
	var err error
	if g.random, err = identity.OpenRandom(); err == nil {
		err = g.renew(request.Entropy, request.UnixTimeMs)
	}
	if err != nil {
		return 0, protocol.Errorf(protocol.CodeSetupFailed, "%v", err)
	}
	if err := setUpNetwork(request.Network); err != nil {
		return 0, protocol.Errorf(protocol.CodeSetupFailed, "%v", err)
	}
	started := time.Now()
	mounted, err := disk.Mount(request.Device, request.DiskBytes, g.Dirt)
	if err != nil {
		return 0, protocol.Errorf(protocol.CodeSetupFailed, "%v", err)
	}
	if request.DiskBytes > 0 {
		// The file system is the user's, who may have broken it so far that it cannot grow. What is in it matters more.
		if err := mounted.Grow(request.DiskBytes); err != nil {
			g.Log.Print(err)
		}
	}
	g.disk = mounted
	return time.Since(started), nil
}

// renew gives the machine a random generator and a clock that are not those of the machine that it was made of.
func (g *Guest) renew(inBase64 string, unixTimeMs int64) error {
	entropy, err := base64.StdEncoding.DecodeString(inBase64)
	if err == nil {
		err = identity.Reseed(g.random, entropy)
	}
	if err == nil {
		err = linux.SetRealtime(unixTimeMs * int64(time.Millisecond))
	}
	return err
}

// name writes names to a disk that is the user's, if there are any. Where that fails the machine is none the worse.
func (g *Guest) name(hostname, machineID string, write identity.Write) {
	if hostname != "" {
		if err := identity.SetHostname("/", hostname, write); err != nil {
			g.Log.Printf("hostname: %v", err)
		}
	}
	if machineID != "" {
		if err := identity.SetMachineID("/", machineID, write); err != nil {
			g.Log.Printf("machine id: %v", err)
		}
	}
}

func (g *Guest) nameServer(request protocol.Setup) {
	if request.Network != nil {
		if err := identity.SetNameServer("/", request.Network.DNS); err != nil {
			g.Log.Printf("name server: %v", err)
		}
	}
}

// Start runs a command.
func (g *Guest) Start(request protocol.Exec) (*command.Process, error) {
	return g.start(request, false)
}

func (g *Guest) start(request protocol.Exec, background bool) (*command.Process, error) {
	if !g.Ready() {
		return nil, notSetUp()
	}
	spec := command.Spec{Environment: request.Env, Stdin: request.Stdin, Background: background}
	if request.Command != nil {
		spec.Command = *request.Command
	}
	if request.Pty != nil {
		size := protocol.Size{Cols: request.Pty.Cols, Rows: request.Pty.Rows}
		spec.Terminal = &command.Terminal{Size: size, Name: request.Pty.Term}
	}
	directory, err := directoryFor(request.Cwd)
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeBadCwd, "%v", err)
	}
	spec.Directory = directory
	if request.User != nil {
		user, err := account.Find("/", *request.User)
		if err != nil {
			return nil, protocol.Errorf(protocol.CodeBadUser, "%v", err)
		}
		spec.User = &user
	}
	process, err := g.Runner.Start(spec)
	if spec.User != nil && errors.Is(err, syscall.EACCES) {
		return nil, protocol.Errorf(protocol.CodeBadCwd, "user %s may not enter %s", spec.User.Name, directory)
	}
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeSpawnFailed, "%v", err)
	}
	return process, nil
}

// directoryFor is where a command starts. The workspace is made anew when an earlier command removed it.
func directoryFor(cwd *string) (string, error) {
	path := ""
	if cwd != nil {
		path = *cwd
	}
	if !filepath.IsAbs(path) {
		if err := os.Mkdir(workspacePath, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
		path = filepath.Join(workspacePath, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", &os.PathError{Op: "enter", Path: path, Err: syscall.ENOTDIR}
	}
	return path, nil
}

// Sync makes all that was written so far part of the disk.
func (g *Guest) Sync() (disk.Synced, error) {
	mounted, err := g.mounted()
	if err != nil {
		return disk.Synced{}, err
	}
	synced, err := mounted.Sync()
	if err != nil {
		return disk.Synced{}, protocol.Errorf(protocol.CodeSyncFailed, "%v", err)
	}
	return synced, nil
}

func (g *Guest) mounted() (*disk.Disk, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disk == nil {
		return nil, notSetUp()
	}
	return g.disk, nil
}

// How long emptying the workspace may take.
const wipeLimit = 60 * time.Second

// Wipe empties the workspace.
func (g *Guest) Wipe() error {
	if !g.Ready() {
		return notSetUp()
	}
	if err := workspace.Wipe(workspacePath, time.Now().Add(wipeLimit)); err != nil {
		return protocol.Errorf(protocol.CodeWipeIncomplete, "%v", err)
	}
	_, err := g.Sync()
	return err
}

func notSetUp() error {
	return protocol.Errorf(protocol.CodeNotSetUp, "this machine has no disk yet")
}
