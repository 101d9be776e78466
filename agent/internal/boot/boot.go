// Package boot brings the machine up to where it can be frozen: everything is there but its own disk.
package boot

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"opensandbox/agent/internal/disk"
	"opensandbox/agent/internal/linux"
)

// Commands is the control group in which each command gets its own.
const Commands = "/sys/fs/cgroup/sandbox"

type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

const plain = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC

var mounts = []mount{
	{"proc", "/proc", "proc", plain, ""},
	{"sysfs", "/sys", "sysfs", plain, ""},
	{"devtmpfs", "/dev", "devtmpfs", syscall.MS_NOSUID, "mode=0755"},
	{"devpts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "gid=5,mode=620,ptmxmode=666"},
	{"tmpfs", "/dev/shm", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777"},
	{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=0755"},
	// favordynmods makes it cheap to move a process into a group, which happens for every command.
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", plain, "favordynmods"},
}

// Up does all it can, and logs what fails: a machine that answers with errors can be understood, one that
// does not answer cannot.
func Up(log *log.Logger) {
	attempt := func(what string, err error) {
		if err != nil {
			log.Printf("%s: %v", what, err)
		}
	}
	for _, m := range mounts {
		attempt("mount", m.mount())
	}
	attempt("links in /dev", linkDevices())
	attempt("open files", raiseOpenFiles())
	attempt("loopback", bringUpLoopback())
	attempt("modules", loadModules("/modules"))
	attempt("mount", mount{"/dev/vda", disk.Base, "ext4", syscall.MS_RDONLY | syscall.MS_NOATIME, ""}.mount())
	attempt("control groups", limitCommands())
}

func (m mount) mount() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
		return &os.PathError{Op: "mount " + m.kind, Path: m.target, Err: err}
	}
	return nil
}

func linkDevices() error {
	links := [][2]string{
		{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
	}
	for _, link := range links {
		if err := os.Symlink(link[0], link[1]); err != nil {
			return err
		}
	}
	return nil
}

// raiseOpenFiles sets the limit that commands inherit, and the agent needs: background processes that outlive
// their command leave pipes behind.
func raiseOpenFiles() error {
	const enough = 65536
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: enough, Max: enough})
}

// bringUpLoopback makes 127.0.0.1 work, which servers under development listen on.
func bringUpLoopback() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	return linux.SetInterfaceUp(socket, "lo")
}

// loadModules loads a directory's modules in the order of their names and frees the memory that their files take.
func loadModules(directory string) error {
	paths, err := filepath.Glob(directory + "/*.ko*")
	if err != nil {
		return err
	}
	sort.Strings(paths)
	var first error
	for _, path := range paths {
		if err := loadModule(path); err != nil && first == nil {
			first = &os.PathError{Op: "load", Path: path, Err: err}
		}
	}
	if first != nil {
		return first
	}
	return os.RemoveAll(directory)
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return linux.FinitModule(int(file.Fd()), !strings.HasSuffix(path, ".ko"))
}

// limitCommands makes the group of all commands and bounds it, so that whatever they do the agent goes on.
// The agent itself stays outside.
func limitCommands() error {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return err
	}
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+cpu +memory +pids"), 0); err != nil {
		return err
	}
	if err := os.Mkdir(Commands, 0o755); err != nil {
		return err
	}
	limits := []struct{ file, value string }{
		{"memory.max", strconv.FormatUint(commandMemory(uint64(info.Totalram)*uint64(info.Unit)), 10)},
		{"pids.max", "4096"},
		// All commands together against the agent, which counts as 100.
		{"cpu.weight", "20"},
		// The groups below divide it among themselves.
		{"cgroup.subtree_control", "+cpu"},
	}
	for _, limit := range limits {
		if err := os.WriteFile(filepath.Join(Commands, limit.file), []byte(limit.value), 0); err != nil {
			return fmt.Errorf("%s: %w", limit.file, err)
		}
	}
	return nil
}

// commandMemory is what all commands together may use of a machine's memory, in bytes.
func commandMemory(total uint64) uint64 {
	const least = 48 << 20
	reserve := total / 10
	if reserve < least {
		reserve = least
	}
	if reserve > total {
		return 0
	}
	return total - reserve
}
