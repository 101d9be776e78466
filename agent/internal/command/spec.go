package command

import (
	"fmt"
	"os"
	"sort"
	"syscall"

	"opensandbox/agent/internal/account"
	"opensandbox/agent/internal/linux"
	"opensandbox/agent/internal/protocol"
)

// Spec describes a command.
type Spec struct {
	// Command is what the shell runs. When it is empty the shell is a login shell that reads its input.
	Command string
	// Directory is where the command starts. It must exist.
	Directory string
	// User is who runs the command: the agent's own user when it is nil.
	User *account.Account
	// Environment is added to the usual one.
	Environment map[string]string
	// Terminal, when there is one, takes the place of the pipes.
	Terminal *Terminal
	// Stdin says whether the command has an input that can be written.
	Stdin bool
	// Background has all that run in it get as much of the processor together as those that do not.
	Background bool
}

// Terminal describes a command's terminal.
type Terminal struct {
	Size protocol.Size
	Name string
}

// maxArgument is how long one argument of a program may be, with its final zero byte.
const maxArgument = 128 * 1024

// scriptFd is where a shell finds the command that is too long for an argument.
const scriptFd = 3

// arguments makes the shell's arguments. A command that is too long for one is put into a file without a name (nil when
// there is none), which the shell gets as scriptFd: any user can read it there. Its first words close that descriptor, so
// that the command inherits none that it knows nothing of; the shell reads on through one of its own.
func (s Spec) arguments(shell string) ([]string, *os.File, error) {
	if s.Command == "" {
		return []string{"-" + shell}, nil, nil
	}
	if len(s.Command) < maxArgument {
		return []string{shell, "-c", s.Command}, nil, nil
	}
	fd, err := linux.MemfdCreate("command")
	if err != nil {
		return nil, nil, err
	}
	script := os.NewFile(uintptr(fd), "command")
	if _, err := fmt.Fprintf(script, "exec %d<&-;%s", scriptFd, s.Command); err != nil {
		script.Close()
		return nil, nil, err
	}
	return []string{shell, "-c", fmt.Sprintf(". /proc/self/fd/%d", scriptFd)}, script, nil
}

func (s Spec) environment() []string {
	variables := map[string]string{
		"HOME":    "/root",
		"USER":    "root",
		"LOGNAME": "root",
		"SHELL":   "/bin/bash",
		"LANG":    "C.UTF-8",
		"PATH":    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	if s.User != nil {
		variables["HOME"], variables["USER"], variables["LOGNAME"] = s.User.Home, s.User.Name, s.User.Name
	}
	if s.Terminal != nil {
		variables["TERM"] = s.Terminal.Name
	}
	for name, value := range s.Environment {
		variables[name] = value
	}
	list := make([]string, 0, len(variables))
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	sort.Strings(list)
	return list
}

// credential is nil for the agent's own user.
func (s Spec) credential() *syscall.Credential {
	if s.User == nil {
		return nil
	}
	return &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID, Groups: s.User.Groups}
}

// streams are the ends of a command's pipes or terminal.
type streams struct {
	// What the command gets as its descriptors 0, 1 and 2. Closed once it runs.
	given [3]int
	// What the agent keeps.
	stdin          *os.File
	stdout, stderr *Output
}

func (s Spec) open() (*streams, error) {
	opened := &streams{given: [3]int{-1, -1, -1}}
	err := opened.openAll(s)
	if err == nil && s.User != nil {
		err = opened.own(*s.User)
	}
	if err != nil {
		opened.closeGiven()
		opened.closeKept()
		return nil, err
	}
	return opened, nil
}

func (s *streams) openAll(spec Spec) error {
	if spec.Terminal == nil {
		return s.openPipes(spec.Stdin)
	}
	master, slave, err := openTerminal(spec.Terminal.Size)
	if err == nil {
		*s = streams{[3]int{slave, slave, slave}, master, &Output{master, true}, nil}
	}
	return err
}

// own gives the pipes or the terminal to the user, who can then open them by name, as in /dev/stdout.
func (s *streams) own(user account.Account) error {
	for _, fd := range s.given {
		var info syscall.Stat_t
		if err := syscall.Fstat(fd, &info); err != nil {
			return err
		}
		isNull := s.stdin == nil && info.Mode&syscall.S_IFMT == syscall.S_IFCHR
		if isNull {
			continue
		}
		if err := syscall.Fchown(fd, int(user.UID), int(user.GID)); err != nil {
			return err
		}
	}
	return nil
}

func (s *streams) openPipes(withInput bool) (err error) {
	if withInput {
		s.given[0], s.stdin, err = pipe(0)
	} else {
		s.given[0], err = syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	}
	for i, output := range []**Output{&s.stdout, &s.stderr} {
		if err != nil {
			return err
		}
		var file *os.File
		if s.given[i+1], file, err = pipe(1); err == nil {
			enlarge(s.given[i+1])
			*output = &Output{file: file}
		}
	}
	return err
}

// pipe makes a pipe and answers the end that the command gets (0 to read, 1 to write) and the agent's end. Only the
// agent's does not block: the command's is as every program expects it.
func pipe(commandsEnd int) (int, *os.File, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return -1, nil, err
	}
	kept := ends[1-commandsEnd]
	if err := syscall.SetNonblock(kept, true); err != nil {
		syscall.Close(ends[0])
		syscall.Close(ends[1])
		return -1, nil, err
	}
	return ends[commandsEnd], os.NewFile(uintptr(kept), "pipe"), nil
}

// outputPipe is how many bytes of output may be in a pipe; by itself the kernel has it be 64 KiB.
const outputPipe = 1 << 20

// enlarge lets a command print more before it has to wait for the agent. Each time that they take turns costs an emulated
// processor all that it knows of where things are in memory. One that stays as it is will do.
func enlarge(pipe int) {
	const setPipeSize = 1031
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(pipe), setPipeSize, outputPipe)
}

func (s *streams) closeGiven() {
	closed := -1
	for _, fd := range s.given {
		if fd >= 0 && fd != closed {
			syscall.Close(fd)
			closed = fd
		}
	}
}

func (s *streams) closeKept() {
	if s.stdin != nil {
		s.stdin.Close()
	}
	for _, output := range []*Output{s.stdout, s.stderr} {
		if output != nil {
			output.file.Close()
		}
	}
}
