package command

import (
	"fmt"
	"syscall"
)

var signals = [...]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
	16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU",
	23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 28: "SIGWINCH", 29: "SIGIO",
	30: "SIGPWR", 31: "SIGSYS",
}

// SignalName is the name by which programs and people know the signal.
func SignalName(signal syscall.Signal) string {
	if number := int(signal); number > 0 && number < len(signals) {
		return signals[number]
	}
	return fmt.Sprintf("SIG%d", int(signal))
}

// SignalOf is the signal of that name.
func SignalOf(name string) (signal syscall.Signal, known bool) {
	for number, each := range signals {
		if each == name && number > 0 {
			return syscall.Signal(number), true
		}
	}
	return 0, false
}
