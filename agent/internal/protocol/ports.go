package protocol

import (
	"errors"
	"fmt"
	"regexp"
)

// Connect asks for a TCP connection, made from inside the machine; without a host, to the machine itself. Connected tells
// that it is there. From then on input and output are its bytes, the input's end is the end of what is sent on it, and
// OutputEnded tells the end of what it receives.
type Connect struct {
	Op   string `json:"op"`
	Host string `json:"host,omitempty"`
	Port int    `json:"port"`
}

// Listen takes TCP connections until it is cancelled; without a host, at 127.0.0.1, and with port 0 at any free one.
// Listening tells that it does, and Incoming of each connection, which an Accept is to take soon.
type Listen struct {
	Op   string `json:"op"`
	Host string `json:"host,omitempty"`
	Port int    `json:"port"`
}

// Accept takes a connection that came to a listener. It goes on as a Connect does.
type Accept struct {
	Op         string `json:"op"`
	Listener   uint32 `json:"listener"`
	Connection uint32 `json:"connection"`
}

// AwaitPort waits until something in the machine listens on a port of the loopback interface.
type AwaitPort struct {
	Op        string `json:"op"`
	Port      int    `json:"port"`
	TimeoutMs int64  `json:"timeoutMs"`
}

// Connected is the event that a connection is there.
type Connected struct {
	Connected bool `json:"connected"`
}

// OutputEnded is the event that a connection receives no more than so many bytes in all.
type OutputEnded struct {
	OutputEnded int64 `json:"outputEnded"`
}

// Listening is the event that a listener takes connections; Listener is what an Accept calls it.
type Listening struct {
	Listener uint32 `json:"listener"`
	Port     int    `json:"port"`
}

// Incoming is the event that a connection came, from where.
type Incoming struct {
	Connection uint32 `json:"connection"`
	Host       string `json:"host"`
	Port       int    `json:"port"`
}

// ConnectionDone is the result of a connection that both sides ended.
type ConnectionDone struct {
	OK bool `json:"ok"`
}

// ListenDone is the result of a listener that was cancelled.
type ListenDone struct {
	OK bool `json:"ok"`
}

// AwaitPortDone is the result when something listens.
type AwaitPortDone struct {
	OK bool `json:"ok"`
}

// The codes of errors about ports.
const (
	CodeRefused      Code = "refused"
	CodeUnreachable  Code = "unreachable"
	CodeReset        Code = "reset"
	CodeCannotListen Code = "cannot_listen"
	CodeNoConnection Code = "no_connection"
	CodeNotListening Code = "not_listening"
)

// maxAwaitMs is the longest wait for a port: a day.
const maxAwaitMs = 24 * 60 * 60 * 1000

// hostName takes names and addresses alike.
var hostName = regexp.MustCompile(`^[A-Za-z0-9.:_-]{1,255}$`)

func checkConnect(c Connect) error { return checkAddress(c.Host, c.Port, 1) }

func checkListen(l Listen) error { return checkAddress(l.Host, l.Port, 0) }

func checkAccept(a Accept) error {
	if a.Listener < 1 || a.Connection < 1 {
		return errors.New("listener and connection are numbers from 1")
	}
	return nil
}

func checkAwaitPort(a AwaitPort) error {
	if a.TimeoutMs < 0 || a.TimeoutMs > maxAwaitMs {
		return fmt.Errorf("timeoutMs is not 0 to %d", maxAwaitMs)
	}
	return checkAddress("", a.Port, 1)
}

func checkAddress(host string, port, least int) error {
	if host != "" && !hostName.MatchString(host) {
		return errors.New("host is neither a name nor an address")
	}
	if port < least || port > 65535 {
		return fmt.Errorf("port is not %d to 65535", least)
	}
	return nil
}
