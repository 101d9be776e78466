package session

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"opensandbox/agent/internal/command"
	"opensandbox/agent/internal/processes"
	"opensandbox/agent/internal/protocol"
)

// Processes are what a session can ask of the guest's processes.
type Processes interface {
	StartProcess(protocol.Start) (*processes.Process, error)
	Processes() *processes.Table
}

// inputPatience is how long a process may take to take its input.
const inputPatience = 5 * time.Second

// listedCommand bounds the text of a command in a list, in bytes.
const listedCommand = 1024

// process does what is asked of processes that outlive the session.
func (s *session) process(st *stream, request any) (any, error) {
	switch request := request.(type) {
	case protocol.Start:
		started, err := s.guest.StartProcess(request)
		if err != nil {
			return nil, err
		}
		return protocol.Started{OK: true, PID: started.PID, StartedMs: started.Started.UnixMilli()}, nil
	case protocol.Output:
		return s.processOutput(st, request)
	case protocol.Input:
		written, err := s.processInput(request)
		return protocol.InputDone{OK: true, Written: written}, err
	case protocol.Signal:
		return protocol.SignalDone{OK: true}, s.signalProcess(request)
	case protocol.Resize:
		process, err := s.guest.Processes().Find(request.PID, request.StartedMs)
		if err == nil {
			err = process.Resize(protocol.Size{Cols: request.Cols, Rows: request.Rows})
		}
		return protocol.ResizeDone{OK: true}, err
	default:
		return protocol.ProcessesDone{OK: true}, s.listProcesses(st)
	}
}

func (s *session) listProcesses(st *stream) error {
	states := []protocol.ProcessState{}
	for _, process := range s.guest.Processes().List() {
		text := process.Command
		if len(text) > listedCommand {
			text = strings.ToValidUTF8(text[:listedCommand], "")
		}
		exitCode, signal := endOf(process)
		states = append(states, protocol.ProcessState{
			PID: process.PID, Command: text, Running: exitCode == nil && signal == nil,
			ExitCode: exitCode, Signal: signal, StartedMs: process.Started.UnixMilli(),
		})
	}
	list, err := json.Marshal(states)
	if err == nil {
		_, err = s.stdout(st).Write(list)
	}
	return err
}

// processOutput sends output as long as the host listens: cancelled, it leaves the process alone.
func (s *session) processOutput(st *stream, request protocol.Output) (any, error) {
	process, err := s.guest.Processes().Find(request.PID, request.StartedMs)
	if err != nil {
		return nil, err
	}
	reader := process.Read(processes.Wanted{
		Offset: request.Offset, Stdout: request.Stdout, Stderr: request.Stderr, Follow: request.Follow,
	})
	defer reader.Close()
	st.whenCancelled(reader.Close)
	if err := s.event(st, protocol.OutputBegun{Offset: reader.Offset()}); err != nil {
		return nil, err
	}
	to := s.stdout(st)
	// A piece and its header fit in one frame.
	record := make([]byte, protocol.MaxData)
	for {
		piece, more := reader.Next(record[protocol.OutputHeaderSize:])
		if !more {
			break
		}
		header := protocol.OutputHeader{Kind: uint8(piece.Kind), Next: piece.Next, Length: len(piece.Bytes)}
		header.Put(record)
		if _, err := to.Write(record[:protocol.OutputHeaderSize+len(piece.Bytes)]); err != nil {
			return nil, err
		}
	}
	exitCode, signal := endOf(process)
	return protocol.OutputDone{
		OK: true, Running: exitCode == nil && signal == nil, ExitCode: exitCode, Signal: signal,
	}, nil
}

func (s *session) processInput(request protocol.Input) (int, error) {
	process, err := s.guest.Processes().Find(request.PID, request.StartedMs)
	if err != nil {
		return 0, err
	}
	bytes, err := base64.StdEncoding.DecodeString(request.Bytes)
	if err != nil {
		return 0, err
	}
	return process.Write(bytes, request.End, inputPatience)
}

func (s *session) signalProcess(request protocol.Signal) error {
	signal, known := command.SignalOf(request.Signal)
	if !known {
		return protocol.Errorf(protocol.CodeBadRequest, "there is no signal %s", request.Signal)
	}
	process, err := s.guest.Processes().Find(request.PID, request.StartedMs)
	if err != nil {
		return err
	}
	return process.Signal(signal)
}

// endOf is the exit code of a process or the signal that ended it; neither as long as it runs.
func endOf(process *processes.Process) (exitCode *int, signal *string) {
	end := process.End()
	if end == nil {
		return nil, nil
	}
	if end.Status.Signaled() {
		name := command.SignalName(end.Status.Signal())
		return nil, &name
	}
	code := end.Status.ExitStatus()
	return &code, nil
}
