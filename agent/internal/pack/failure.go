package pack

import (
	"errors"
	"io"
	"syscall"

	"opensandbox/agent/internal/protocol"
)

// failureOf says what an error is to the host.
func failureOf(err error) *protocol.Error {
	var failure *protocol.Error
	if errors.As(err, &failure) {
		return failure
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return badArchive("it ends too early")
	}
	var number syscall.Errno
	errors.As(err, &number)
	switch number {
	case syscall.ENOENT, syscall.ELOOP, syscall.ENAMETOOLONG:
		return protocol.Errorf(protocol.CodeNotFound, "%v", err)
	case syscall.ENOTDIR:
		return protocol.Errorf(protocol.CodeNotADirectory, "%v", err)
	case syscall.ENOSPC, syscall.EDQUOT:
		return protocol.Errorf(protocol.CodeNoSpace, "%v", err)
	}
	return protocol.Errorf(protocol.CodeIO, "%v", err)
}

func badArchive(what string) *protocol.Error {
	return protocol.Errorf(protocol.CodeBadArchive, "%s", what)
}
