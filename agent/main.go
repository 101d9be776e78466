// The agent is the first process of a sandbox's machine. It brings the machine up and then does what the host asks.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"opensandbox/agent/internal/boot"
	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/dirt"
	"opensandbox/agent/internal/guest"
	"opensandbox/agent/internal/port"
	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/reaper"
	"opensandbox/agent/internal/session"
)

const version = "0.1.0"

func main() {
	logger := log.New(os.Stderr, "agent: ", 0)
	if os.Getpid() != 1 {
		logger.Fatal("this program is the first process of a machine and does nothing anywhere else")
	}
	outliveSignals()
	boot.Up(logger)
	children := reaper.New()
	boot.WarmUp(children, logger)
	groups, err := command.OpenGroups(boot.Commands)
	if err != nil {
		logger.Printf("commands have no control group: %v", err)
	}
	watch, err := dirt.NewWatch()
	if err != nil {
		logger.Printf("each sync asks the disk: %v", err)
	}
	machine := &guest.Guest{Runner: &command.Runner{Reaper: children, Groups: groups}, Dirt: watch, Log: logger}
	welcome := func(hello protocol.Hello) protocol.Welcome {
		return protocol.Welcome{
			Nonce: hello.Nonce, Protocol: protocol.Version, AgentVersion: version, Ready: machine.Ready(),
		}
	}
	for {
		server := &session.Server{Guest: machine, Welcome: welcome, Log: logger}
		logger.Printf("the port failed: %v", server.Serve(port.Await(logger)))
		time.Sleep(time.Second)
	}
}

// outliveSignals keeps the machine from ending because someone in it sends its first process a signal. The
// signals are received, not ignored: commands would inherit that.
func outliveSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL,
		syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGUSR1, syscall.SIGSEGV,
		syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGSTKFLT, syscall.SIGXCPU, syscall.SIGXFSZ,
		syscall.SIGVTALRM, syscall.SIGIO, syscall.SIGPWR, syscall.SIGSYS)
}
