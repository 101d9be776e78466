package protocol

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Start starts a process that outlives the session. Its fields are those of Exec.
type Start struct {
	Op      string            `json:"op"`
	Command string            `json:"command"`
	Cwd     *string           `json:"cwd,omitempty"`
	User    *string           `json:"user,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	Pty     *Pty              `json:"pty,omitempty"`
}

// Started is the result of a start.
type Started struct {
	OK        bool  `json:"ok"`
	PID       int   `json:"pid"`
	StartedMs int64 `json:"startedMs"`
}

// Processes asks for the processes that run and those that ended lately: as output, one JSON array of ProcessState.
type Processes struct {
	Op string `json:"op"`
}

// ProcessesDone follows the list.
type ProcessesDone struct {
	OK bool `json:"ok"`
}

// ProcessState says what became of a process. One that has ended has an exit code or the signal that ended it.
type ProcessState struct {
	PID       int     `json:"pid"`
	Command   string  `json:"command"`
	Running   bool    `json:"running"`
	ExitCode  *int    `json:"exitCode"`
	Signal    *string `json:"signal"`
	StartedMs int64   `json:"startedMs"`
}

// Output asks for what a process prints: as output, an OutputHeader and bytes for each piece.
//
// Here and below StartedMs, if it is there, is when the process was started: another that has its number by now is not
// meant.
type Output struct {
	Op        string `json:"op"`
	PID       int    `json:"pid"`
	StartedMs *int64 `json:"startedMs,omitempty"`
	Offset    *int64 `json:"offset,omitempty"`
	Stdout    bool   `json:"stdout"`
	Stderr    bool   `json:"stderr"`
	Follow    bool   `json:"follow"`
}

// OutputBegun is the event that comes before the output, with the offset of its first byte.
type OutputBegun struct {
	Offset int64 `json:"offset"`
}

// OutputDone follows the output, and says what became of the process.
type OutputDone struct {
	OK       bool    `json:"ok"`
	Running  bool    `json:"running"`
	ExitCode *int    `json:"exitCode"`
	Signal   *string `json:"signal"`
}

// Input gives a process input, in base64, and may end it.
type Input struct {
	Op        string `json:"op"`
	PID       int    `json:"pid"`
	StartedMs *int64 `json:"startedMs,omitempty"`
	Bytes     string `json:"bytes"`
	End       bool   `json:"end"`
}

// InputDone says how many bytes of the input the process took in time.
type InputDone struct {
	OK      bool `json:"ok"`
	Written int  `json:"written"`
}

// Signal sends a process a signal, by its name.
type Signal struct {
	Op        string `json:"op"`
	PID       int    `json:"pid"`
	StartedMs *int64 `json:"startedMs,omitempty"`
	Signal    string `json:"signal"`
}

// SignalDone is the result of a signal.
type SignalDone struct {
	OK bool `json:"ok"`
}

// Resize changes the size of a process's terminal.
type Resize struct {
	Op        string `json:"op"`
	PID       int    `json:"pid"`
	StartedMs *int64 `json:"startedMs,omitempty"`
	Cols      uint16 `json:"cols"`
	Rows      uint16 `json:"rows"`
}

// ResizeDone is the result of a resize.
type ResizeDone struct {
	OK bool `json:"ok"`
}

// OutputHeaderSize is the length of what stands before each piece of a process's output.
const OutputHeaderSize = 13

// OutputHeader says what the bytes after it are: of kind 1 standard output, of 2 standard error; of 0 the number, in eight
// bytes, of those that were lost here.
type OutputHeader struct {
	Kind uint8
	// Next is the offset of what follows the bytes.
	Next   int64
	Length int
}

// Put writes the header to the first OutputHeaderSize bytes of b.
func (h OutputHeader) Put(b []byte) {
	b[0] = h.Kind
	binary.BigEndian.PutUint64(b[1:], uint64(h.Next))
	binary.BigEndian.PutUint32(b[9:], uint32(h.Length))
}

// maxInput bounds the input in one request, in bytes.
const maxInput = 256 * 1024

func checkStart(s Start) error {
	if strings.TrimSpace(s.Command) == "" {
		return errors.New("command must not be empty")
	}
	return checkExec(Exec{Command: &s.Command, Cwd: s.Cwd, User: s.User, Env: s.Env, Pty: s.Pty})
}

func checkOutput(o Output) error {
	if o.Offset != nil && *o.Offset < 0 {
		return errors.New("offset is below zero")
	}
	return nil
}

func checkInput(i Input) error {
	if bytes, err := base64.StdEncoding.DecodeString(i.Bytes); err != nil || len(bytes) > maxInput {
		return fmt.Errorf("bytes are not at most %d in base64", maxInput)
	}
	return nil
}

func checkSignal(s Signal) error {
	if !signalName.MatchString(s.Signal) {
		return errors.New("signal is not the name of a signal")
	}
	return nil
}
