// Package port finds and opens the virtio-serial port that leads to the host.
package port

import (
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
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
			return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(file)), os.O_RDWR, 0)
		}
	}
	return nil, errors.New("no virtio-serial port is named " + name)
}
