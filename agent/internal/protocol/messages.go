package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
)

// Hello opens a session. Resumed says that the machine goes on from an instant of another one.
type Hello struct {
	Nonce    string `json:"nonce"`
	Protocol int    `json:"protocol"`
	Resumed  bool   `json:"resumed,omitempty"`
}

// Welcome answers a hello and carries its nonce.
type Welcome struct {
	Nonce        string `json:"nonce"`
	Protocol     int    `json:"protocol"`
	AgentVersion string `json:"agentVersion"`
	Ready        bool   `json:"ready"`
}

// Ping asks for a sign of life.
type Ping struct {
	Op string `json:"op"`
}

// Setup makes a freshly cloned machine the one it shall be. Without names it writes none to the disk; with DiskBytes the
// disk is larger than it was before the machine was cloned.
type Setup struct {
	Op         string   `json:"op"`
	Device     string   `json:"device"`
	DiskBytes  int64    `json:"diskBytes,omitempty"`
	Hostname   string   `json:"hostname,omitempty"`
	MachineID  string   `json:"machineId,omitempty"`
	UnixTimeMs int64    `json:"unixTimeMs"`
	Network    *Network `json:"network,omitempty"`
	Entropy    string   `json:"entropy"`
}

// Network is the machine's own address, and the addresses of those that it turns to.
type Network struct {
	Address string `json:"address"`
	Prefix  int    `json:"prefix"`
	Gateway string `json:"gateway"`
	DNS     string `json:"dns"`
}

// Pty is a terminal for a command.
type Pty struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
	Term string `json:"term"`
}

// Exec runs a command, or a login shell when there is none. A Cwd that is not absolute begins in the workspace; User is
// the name or the number of one that the guest knows.
type Exec struct {
	Op      string            `json:"op"`
	Command *string           `json:"command,omitempty"`
	Cwd     *string           `json:"cwd,omitempty"`
	User    *string           `json:"user,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	Pty     *Pty              `json:"pty,omitempty"`
	Stdin   bool              `json:"stdin"`
	Sync    bool              `json:"sync"`
}

// SignalExec signals the process group of the command on another stream.
type SignalExec struct {
	Op     string `json:"op"`
	Stream uint32 `json:"stream"`
	Signal string `json:"signal"`
}

// Sync writes the disk's dirty pages.
type Sync struct {
	Op string `json:"op"`
}

// Wipe empties the workspace.
type Wipe struct {
	Op string `json:"op"`
}

// Changes lists how the disk differs from the base. It answers with one Change a line, as output.
type Changes struct {
	Op    string `json:"op"`
	Limit int    `json:"limit"`
}

// Read asks for a file's content, as output. Its path is PathText, relative to the workspace.
type Read struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Limit int64  `json:"limit"`
}

// Digest asks for the SHA-256 of files. Their paths are PathText.
type Digest struct {
	Op    string   `json:"op"`
	Paths []string `json:"paths"`
}

// Pong is the result of a ping.
type Pong struct {
	OK       bool  `json:"ok"`
	UptimeMs int64 `json:"uptimeMs"`
}

// SetupDone is the result of a setup.
type SetupDone struct {
	OK      bool  `json:"ok"`
	MountUs int64 `json:"mountUs"`
}

// ExecBegun is the event that says that a command with a terminal runs: what can keep it from starting has not.
type ExecBegun struct {
	PID int `json:"pid"`
}

// ExecDone is the result of a command: an exit code, or the signal that ended it.
type ExecDone struct {
	OK       bool    `json:"ok"`
	ExitCode *int    `json:"exitCode"`
	Signal   *string `json:"signal"`
	GuestUs  int64   `json:"guestUs"`
	SyncUs   int64   `json:"syncUs"`
	Wrote    bool    `json:"wrote,omitempty"`
}

// SignalExecDone is the result of a signal to a command.
type SignalExecDone struct {
	OK bool `json:"ok"`
}

// SyncDone is the result of a sync.
type SyncDone struct {
	OK     bool  `json:"ok"`
	SyncUs int64 `json:"syncUs"`
	Wrote  bool  `json:"wrote,omitempty"`
}

// WipeDone is the result of a wipe.
type WipeDone struct {
	OK bool `json:"ok"`
}

// Change is a path at which the disk may differ from the base, and what is there in either: nil for nothing.
type Change struct {
	Path string     `json:"path"`
	Was  *FileState `json:"was"`
	Now  *FileState `json:"now"`
}

// FileState is what the file system says of a file. Target is PathText, and only a symbolic link has it.
type FileState struct {
	Type    FileType `json:"type"`
	Mode    uint32   `json:"mode"`
	UID     uint32   `json:"uid"`
	GID     uint32   `json:"gid"`
	Size    int64    `json:"size"`
	MtimeNs string   `json:"mtimeNs"`
	CtimeNs string   `json:"ctimeNs"`
	Ino     string   `json:"ino"`
	Target  *string  `json:"target,omitempty"`
}

// FileType is one letter.
type FileType string

// The types of files.
const (
	TypeRegular   FileType = "f"
	TypeDirectory FileType = "d"
	TypeLink      FileType = "l"
	TypeOther     FileType = "o"
)

// ChangesDone follows the changes: there were more when they are cut off.
type ChangesDone struct {
	OK        bool `json:"ok"`
	Truncated bool `json:"truncated"`
}

// ReadDone follows a file's content, whose length in bytes it says.
type ReadDone struct {
	OK   bool  `json:"ok"`
	Size int64 `json:"size"`
}

// DigestDone has a digest in hexadecimal for each path, nil for what is no regular file.
type DigestDone struct {
	OK      bool      `json:"ok"`
	Digests []*string `json:"digests"`
}

// Code names an error for programs.
type Code string

// The codes of errors.
const (
	CodeBadRequest     Code = "bad_request"
	CodeTooManyStreams Code = "too_many_streams"
	CodeNotSetUp       Code = "not_set_up"
	CodeAlreadySetUp   Code = "already_set_up"
	CodeSetupFailed    Code = "setup_failed"
	CodeSpawnFailed    Code = "spawn_failed"
	CodeBadCwd         Code = "bad_cwd"
	CodeBadUser        Code = "bad_user"
	CodeSyncFailed     Code = "sync_failed"
	CodeWipeIncomplete Code = "wipe_incomplete"
	CodeNotFound       Code = "not_found"
	CodeNotAFile       Code = "not_a_file"
	CodeTooLarge       Code = "too_large"
	CodeIO             Code = "io"
	CodeInternal       Code = "internal"

	CodeNoProcess        Code = "no_process"
	CodeTooManyProcesses Code = "too_many_processes"
	CodeInputClosed      Code = "input_closed"
	CodeBadArchive       Code = "bad_archive"
)

// Error is the answer to a request that failed.
type Error struct {
	OK      bool   `json:"ok"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string {
	return string(e.Code) + ": " + e.Message
}

// maxMessage bounds the text of an error, in bytes.
const maxMessage = 1024

// Errorf makes an error to answer with.
func Errorf(code Code, format string, arguments ...any) *Error {
	message := fmt.Sprintf(format, arguments...)
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "")
	}
	return &Error{Code: code, Message: message}
}

var hex32 = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ParseHello reads and checks a hello. A hello of another protocol version is a hello too.
func ParseHello(payload []byte) (Hello, error) {
	var hello Hello
	if err := strictJSON(payload, &hello); err != nil {
		return hello, err
	}
	if !hex32.MatchString(hello.Nonce) {
		return hello, errors.New("the nonce is not 32 hexadecimal digits")
	}
	return hello, nil
}

// ParseRequest reads and checks a request, and answers one of the messages that have an op.
func ParseRequest(payload []byte) (any, error) {
	var head struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(payload, &head); err != nil {
		return nil, err
	}
	switch head.Op {
	case "ping":
		return parse(payload, func(Ping) error { return nil })
	case "setup":
		return parse(payload, checkSetup)
	case "rehearse":
		return parse(payload, checkRehearse)
	case "freeze":
		return parse(payload, func(Freeze) error { return nil })
	case "thaw":
		return parse(payload, func(Thaw) error { return nil })
	case "resume":
		return parse(payload, checkResume)
	case "exec":
		return parse(payload, checkExec)
	case "signalExec":
		return parse(payload, checkSignalExec)
	case "sync":
		return parse(payload, func(Sync) error { return nil })
	case "wipe":
		return parse(payload, func(Wipe) error { return nil })
	case "changes":
		return parse(payload, checkChanges)
	case "read":
		return parse(payload, checkRead)
	case "digest":
		return parse(payload, checkDigest)
	case "connect":
		return parse(payload, checkConnect)
	case "listen":
		return parse(payload, checkListen)
	case "accept":
		return parse(payload, checkAccept)
	case "awaitPort":
		return parse(payload, checkAwaitPort)
	case "start":
		return parse(payload, checkStart)
	case "processes":
		return parse(payload, func(Processes) error { return nil })
	case "output":
		return parse(payload, checkOutput)
	case "input":
		return parse(payload, checkInput)
	case "signal":
		return parse(payload, checkSignal)
	case "resize":
		return parse(payload, func(Resize) error { return nil })
	}
	if request, err := parseFiles(head.Op, payload); request != nil || err != nil {
		return request, err
	}
	if request, err := parseDirectories(head.Op, payload); request != nil || err != nil {
		return request, err
	}
	return nil, fmt.Errorf("unknown op %.40q", head.Op)
}

func parse[T any](payload []byte, check func(T) error) (any, error) {
	var message T
	if err := strictJSON(payload, &message); err != nil {
		return nil, err
	}
	return message, check(message)
}

func strictJSON(payload []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the message")
	}
	return nil
}

var (
	devicePath = regexp.MustCompile(`^/dev/[a-z0-9]{1,32}$`)
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	signalName = regexp.MustCompile(`^SIG[A-Z0-9]{1,8}$`)
	userName   = regexp.MustCompile(`^[^\x00\n:]{1,256}$`)
	termName   = regexp.MustCompile(`^[A-Za-z0-9+._-]{1,64}$`)
)

// Bounds of what a setup carries: entropy in bytes, the time in milliseconds (the year 9999).
const (
	minEntropy = 32
	maxEntropy = 512
	maxTime    = 253402300799999
)

func checkSetup(s Setup) error {
	if !devicePath.MatchString(s.Device) {
		return errors.New("device is not the path of a device")
	}
	if err := checkOwn(s.Hostname, s.MachineID, s.UnixTimeMs, s.Entropy); err != nil {
		return err
	}
	return checkNetwork(s.Network)
}

// checkOwn checks what a machine has to itself.
func checkOwn(hostname, machineID string, unixTimeMs int64, inBase64 string) error {
	entropy, err := base64.StdEncoding.DecodeString(inBase64)
	switch {
	case err != nil || len(entropy) < minEntropy || len(entropy) > maxEntropy:
		return fmt.Errorf("entropy is not %d to %d bytes in base64", minEntropy, maxEntropy)
	case hostname != "" && !dnsLabel.MatchString(hostname):
		return errors.New("hostname is not a DNS label")
	case machineID != "" && !hex32.MatchString(machineID):
		return errors.New("machineId is not 32 hexadecimal digits")
	case unixTimeMs < 0 || unixTimeMs > maxTime:
		return errors.New("unixTimeMs is not a time")
	}
	return nil
}

func checkNetwork(n *Network) error {
	if n == nil {
		return nil
	}
	for _, address := range []string{n.Address, n.Gateway, n.DNS} {
		if parsed := net.ParseIP(address); parsed == nil || parsed.To4() == nil {
			return errors.New("network holds what is no IPv4 address")
		}
	}
	if n.Prefix < 1 || n.Prefix > 32 {
		return errors.New("network.prefix is not 1 to 32")
	}
	return nil
}

func checkExec(e Exec) error {
	for _, text := range []*string{e.Command, e.Cwd} {
		if text != nil && (*text == "" || strings.ContainsRune(*text, 0)) {
			return errors.New("command and cwd must not be empty or hold a zero byte")
		}
	}
	if e.User != nil && !userName.MatchString(*e.User) {
		return errors.New("user is neither a name nor a number")
	}
	for name, value := range e.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return errors.New("env holds a name or a value that no environment can hold")
		}
	}
	if e.Pty != nil && !termName.MatchString(e.Pty.Term) {
		return errors.New("pty.term is not the name of a terminal")
	}
	return nil
}

func checkSignalExec(s SignalExec) error {
	if !signalName.MatchString(s.Signal) {
		return errors.New("signal is not the name of a signal")
	}
	return nil
}

// Bounds of what is looked into at one time: paths to list, paths to digest, and the bytes of each.
const (
	maxChanges = 1_000_000
	maxDigests = 256
	maxPath    = 4096
)

func checkChanges(c Changes) error {
	if c.Limit < 1 || c.Limit > maxChanges {
		return fmt.Errorf("limit is not 1 to %d", maxChanges)
	}
	return nil
}

func checkRead(r Read) error {
	if r.Limit < 0 {
		return errors.New("limit is below zero")
	}
	return checkPath(r.Path)
}

func checkDigest(d Digest) error {
	if len(d.Paths) < 1 || len(d.Paths) > maxDigests {
		return fmt.Errorf("paths are not 1 to %d", maxDigests)
	}
	for _, path := range d.Paths {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	return nil
}

func checkPath(text string) error {
	if path := PathBytes(text); path == "" || len(path) > maxPath || strings.ContainsRune(path, 0) {
		return fmt.Errorf("a path is not 1 to %d bytes without a zero byte", maxPath)
	}
	return nil
}
