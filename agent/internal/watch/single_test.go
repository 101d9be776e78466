package watch

import (
	"os"
	"strings"
	"testing"
	"time"
)

// watchOne watches a file; the events of what `act` does are told up to the file's removal, which ends it.
func watchOne(t *testing.T, path string, act func()) string {
	t.Helper()
	w, err := Open(path, true)
	must(t, err)
	defer w.Close()
	events := make(chan Event, 100_000)
	go w.Run(func(some []Event) error {
		for _, event := range some {
			events <- event
		}
		return nil
	})
	act()
	must(t, os.Remove(path))
	var lines []string
	for timeout := time.After(limit); ; {
		select {
		case event := <-events:
			line := strings.TrimSpace(string(event.Type) + " " + event.Path + " " + event.To)
			if event.Type == Delete && event.Path == path {
				return strings.Join(lines, "\n")
			}
			if len(lines) == 0 || lines[len(lines)-1] != line {
				lines = append(lines, line)
			}
		case <-timeout:
			t.Fatalf("nothing more came after %q", lines)
		}
	}
}

func TestAFileIsWatchedByItsName(t *testing.T) {
	top := t.TempDir()
	path, other := top+"/file", top+"/other"
	must(t, os.WriteFile(path, []byte("1"), 0o600))
	told := watchOne(t, path, func() {
		must(t, os.WriteFile(other, []byte("not told of"), 0o600), os.Chmod(path, 0o644))
		// As a program saves a file.
		must(t, os.Rename(other, path))
		must(t, os.Rename(path, other), os.WriteFile(path, nil, 0o600))
	})
	want := []string{"change " + path, "rename " + path + " " + other, "create " + path}
	if told != strings.Join(want, "\n") {
		t.Errorf("got\n%s", told)
	}
}

func TestAFileIsWatchedThroughALink(t *testing.T) {
	top := t.TempDir()
	must(t, os.Mkdir(top+"/real", 0o755), os.WriteFile(top+"/real/file", nil, 0o600))
	must(t, os.Symlink("real/file", top+"/link"))
	w, err := Open(top+"/link", false)
	must(t, err)
	defer w.Close()
	events := make(chan Event, 1000)
	done := make(chan error, 1)
	go func() {
		done <- w.Run(func(some []Event) error {
			for _, event := range some {
				events <- event
			}
			return nil
		})
	}()
	// The watch ends with the directory that the file is in.
	must(t, os.Chmod(top+"/real/file", 0o644), os.Rename(top+"/real", top+"/away"))
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(limit):
		t.Fatal("the watch goes on")
	}
	close(events)
	var lines []string
	for event := range events {
		lines = append(lines, string(event.Type)+" "+strings.TrimPrefix(event.Path, top))
	}
	if got := strings.Join(lines, ", "); got != "change /link, delete /link" {
		t.Errorf("got %s", got)
	}
}
