package files

import (
	"errors"
	"syscall"

	"opensandbox/agent/internal/protocol"
)

var (
	errNoFile    = errors.New("this is no regular file")
	errCancelled = errors.New("nobody waits for this any more")
)

// codes of the errors that are the request's; all others are the disk's.
var codes = map[error]protocol.Code{
	errNoFile:            protocol.CodeNotAFile,
	errCancelled:         protocol.CodeCancelled,
	syscall.ENOENT:       protocol.CodeNotFound,
	syscall.EISDIR:       protocol.CodeNotAFile,
	syscall.ENOTDIR:      protocol.CodeNotADirectory,
	syscall.ENOTEMPTY:    protocol.CodeNotEmpty,
	syscall.EEXIST:       protocol.CodeAlreadyExists,
	syscall.ENOSPC:       protocol.CodeNoSpace,
	syscall.EDQUOT:       protocol.CodeNoSpace,
	syscall.EFBIG:        protocol.CodeTooLarge,
	syscall.EPERM:        protocol.CodeNotPermitted,
	syscall.EACCES:       protocol.CodeNotPermitted,
	syscall.EROFS:        protocol.CodeNotPermitted,
	syscall.EBUSY:        protocol.CodeNotPermitted,
	syscall.ETXTBSY:      protocol.CodeNotPermitted,
	syscall.EXDEV:        protocol.CodeBadPath,
	syscall.EINVAL:       protocol.CodeBadPath,
	syscall.ELOOP:        protocol.CodeBadPath,
	syscall.ENAMETOOLONG: protocol.CodeBadPath,
}

// failureOf says what an error is to the host.
func failureOf(err error) error {
	if err == nil {
		return nil
	}
	var failure *protocol.Error
	if errors.As(err, &failure) {
		return failure
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if code, known := codes[cause]; known {
			return protocol.Errorf(code, "%v", cause)
		}
	}
	return protocol.Errorf(protocol.CodeIO, "%v", err)
}
