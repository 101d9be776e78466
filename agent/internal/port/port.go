// Package port finds and opens the virtio-serial port that leads to the host.
package port

import (
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const name = "opensandbox.agent"

// Await opens the port as soon as there is one. Without it nobody can ever be answered, so it waits for ever.
func Await(log *log.Logger) io.ReadWriter {
	for attempt := 0; ; attempt++ {
		port, err := open()
		if err == nil {
			return port
		}
		if attempt%100 == 50 {
			log.Printf("no way to the host yet: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func open() (*os.File, error) {
	files, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(content)) == name {
			return openBlocking("/dev/" + filepath.Base(filepath.Dir(file)))
		}
	}
	return nil, errors.New("no virtio-serial port is named " + name)
}

// openBlocking opens a file whose reads and writes wait in the kernel. Left to Go's poller each frame of a long transfer
// would be refused first, and take a round through the scheduler.
func openBlocking(path string) (*os.File, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
