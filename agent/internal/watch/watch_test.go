package watch

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"opensandbox/agent/internal/protocol"
)

const limit = 20 * time.Second

// watched is a directory and what was reported of it.
type watched struct {
	t      *testing.T
	top    string
	w      *Watcher
	events chan Event
	done   chan error
}

func watchNew(t *testing.T, recursive bool, before ...string) *watched {
	t.Helper()
	top := t.TempDir()
	for _, path := range before {
		must(t, os.MkdirAll(top+"/"+path, 0o755))
	}
	w, err := Open(top, recursive)
	must(t, err)
	v := &watched{t, top, w, make(chan Event, 100_000), make(chan error, 1)}
	go func() {
		v.done <- w.Run(func(events []Event) error {
			for _, event := range events {
				v.events <- event
			}
			return nil
		})
	}()
	t.Cleanup(w.Close)
	return v
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// told waits until a marker of its own is reported, and gives what came before, with changes left out unless wanted.
func (v *watched) told(changes bool) string {
	v.t.Helper()
	must(v.t, os.WriteFile(v.top+"/.marker", nil, 0o600), os.Remove(v.top+"/.marker"))
	var lines []string
	for timeout := time.After(limit); ; {
		select {
		case event := <-v.events:
			if event.Type == Delete && event.Path == v.top+"/.marker" {
				return strings.Join(lines, "\n")
			}
			if strings.HasSuffix(event.Path, "/.marker") || event.Type == Change && !changes {
				continue
			}
			line := strings.TrimSpace(fmt.Sprintf("%s %s %s", event.Type, v.short(event.Path), v.short(event.To)))
			if len(lines) == 0 || lines[len(lines)-1] != line {
				lines = append(lines, line)
			}
		case err := <-v.done:
			v.t.Fatalf("the watch ended: %v, after %q", err, lines)
		case <-timeout:
			v.t.Fatalf("nothing more came after %q", lines)
		}
	}
}

func (v *watched) short(path string) string {
	return strings.TrimPrefix(path, v.top+"/")
}

func (v *watched) expect(changes bool, want ...string) {
	v.t.Helper()
	if got := v.told(changes); got != strings.Join(want, "\n") {
		v.t.Errorf("got\n%s\nnot\n%s", got, strings.Join(want, "\n"))
	}
}

func TestEachKindOfEventIsTold(t *testing.T) {
	v := watchNew(t, false, "directory")
	must(t, os.WriteFile(v.top+"/caf\xe9", []byte("x"), 0o600))
	v.expect(true, "create caf\xe9", "change caf\xe9")
	must(t, os.Chmod(v.top+"/caf\xe9", 0o644))
	v.expect(true, "change caf\xe9")
	must(t, os.Rename(v.top+"/caf\xe9", v.top+"/new"))
	v.expect(true, "rename caf\xe9 new")
	must(t, os.Remove(v.top+"/new"))
	v.expect(true, "delete new")
	must(t, os.WriteFile(v.top+"/directory/file", nil, 0o600))
	v.expect(true)
}

func TestWhatLeavesOrEntersTheDirectoryIsDeletedOrCreated(t *testing.T) {
	v := watchNew(t, true, "a/b")
	outside := t.TempDir()
	must(t, os.Rename(v.top+"/a", outside+"/a"))
	v.expect(false, "delete a")
	must(t, os.WriteFile(outside+"/a/b/file", nil, 0o600))
	v.expect(true)
	must(t, os.Rename(outside+"/a", v.top+"/c"))
	v.expect(false, "create c", "create c/b", "create c/b/file")
	must(t, os.WriteFile(v.top+"/c/b/more", nil, 0o600))
	v.expect(false, "create c/b/more")
}

func TestARenamedDirectoryIsWatchedByItsNewName(t *testing.T) {
	v := watchNew(t, true, "a/b", "other")
	must(t, os.Rename(v.top+"/a", v.top+"/other/z"), os.WriteFile(v.top+"/other/z/b/file", nil, 0o600))
	v.expect(false, "rename a other/z", "create other/z/b/file")
	must(t, os.Mkdir(v.top+"/empty", 0o755), os.Rename(v.top+"/other/z/b", v.top+"/empty/../c"))
	v.expect(false, "create empty", "rename other/z/b c")
	must(t, syscall.Rename(v.top+"/other/z", v.top+"/empty"), os.WriteFile(v.top+"/empty/file", nil, 0o600))
	v.expect(false, "rename other/z empty", "create empty/file")
}

func TestADirectoryThatIsMadeAnewIsWatchedAnew(t *testing.T) {
	v := watchNew(t, true)
	for round := 0; round < 3; round++ {
		must(t, os.MkdirAll(v.top+"/a/b", 0o755), os.WriteFile(v.top+"/a/b/file", nil, 0o600))
		v.expect(false, "create a", "create a/b", "create a/b/file")
		must(t, os.RemoveAll(v.top+"/a"))
		v.expect(false, "delete a/b/file", "delete a/b", "delete a")
	}
}

// What is made in a directory before its watch is in force must be told too, and nothing twice.
func TestNothingIsMissedInManyNewDirectories(t *testing.T) {
	v := watchNew(t, true)
	const count = 300
	for i := 0; i < count; i++ {
		path := fmt.Sprintf("%s/%d/x/y", v.top, i)
		must(t, os.MkdirAll(path, 0o755), os.WriteFile(path+"/file", nil, 0o600))
	}
	told := map[string]int{}
	for _, line := range strings.Split(v.told(false), "\n") {
		told[line]++
	}
	if len(told) != 4*count {
		t.Errorf("%d different events, not %d", len(told), 4*count)
	}
	for i := 0; i < count; i++ {
		for _, path := range []string{"", "/x", "/x/y", "/x/y/file"} {
			if line := fmt.Sprintf("create %d%s", i, path); told[line] != 1 {
				t.Errorf("%q was told %d times", line, told[line])
			}
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	v := watchNew(t, true)
	outside := t.TempDir()
	must(t, os.Symlink(outside, v.top+"/link"), os.WriteFile(outside+"/file", nil, 0o600))
	v.expect(false, "create link")
}

func TestTheEndOfTheDirectoryIsTheLastEvent(t *testing.T) {
	v := watchNew(t, true, "a")
	must(t, os.RemoveAll(v.top))
	if err := <-v.done; err != nil {
		t.Error(err)
	}
	var last Event
	for len(v.events) > 0 {
		last = <-v.events
	}
	if last != (Event{Type: Delete, Path: v.top}) {
		t.Errorf("%+v", last)
	}
}

func TestACloseEndsTheWatch(t *testing.T) {
	v := watchNew(t, true)
	v.w.Close()
	v.w.Close()
	select {
	case err := <-v.done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Error("it goes on")
	}
}

func TestAnOverflowIsToldAndTheWatchGoesOn(t *testing.T) {
	top := t.TempDir()
	must(t, os.Mkdir(top+"/old", 0o755))
	w, err := Open(top, true)
	must(t, err)
	defer w.Close()
	// Nobody reads until the kernel's queue is full.
	most, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	var count int
	fmt.Sscan(string(most), &count)
	for i := 0; i < count/2+10; i++ {
		must(t, os.WriteFile(top+"/old/file", nil, 0o600), os.Remove(top+"/old/file"))
	}
	must(t, os.Remove(top+"/old"), os.MkdirAll(top+"/new/one", 0o755))
	events := make(chan Event, 200_000)
	go w.Run(func(some []Event) error {
		for _, event := range some {
			events <- event
		}
		return nil
	})
	await(t, events, Event{Type: Overflow})
	must(t, os.WriteFile(top+"/new/one/file", nil, 0o600))
	await(t, events, Event{Type: Create, Path: top + "/new/one/file"})
}

func await(t *testing.T, events chan Event, want Event) {
	t.Helper()
	for timeout := time.After(limit); ; {
		select {
		case event := <-events:
			if event == want {
				return
			}
		case <-timeout:
			t.Fatalf("%+v did not come", want)
		}
	}
}

func TestWhatIsNeitherDirectoryNorFileIsNotWatched(t *testing.T) {
	top := t.TempDir()
	must(t, os.WriteFile(top+"/file", nil, 0o600), syscall.Mkfifo(top+"/pipe", 0o600))
	for path, want := range map[string]protocol.Code{
		top + "/none": protocol.CodeNotFound, top + "/pipe": protocol.CodeNotADirectory,
		top + "/file/in": protocol.CodeNotADirectory,
	} {
		var failure *protocol.Error
		if _, err := Open(path, true); !errors.As(err, &failure) || failure.Code != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAReportThatFailsEndsTheWatch(t *testing.T) {
	top := t.TempDir()
	w, err := Open(top, false)
	must(t, err)
	defer w.Close()
	must(t, os.WriteFile(top+"/file", nil, 0o600))
	gone := errors.New("nobody listens")
	if err := w.Run(func([]Event) error { return gone }); err != gone {
		t.Error(err)
	}
}

func FuzzNotices(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x01\x00\x00\x00", 3) + "\x10\x00\x00\x00name\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		for _, n := range notices(bytes) {
			if len(n.name) > len(bytes)-syscall.SizeofInotifyEvent {
				t.Errorf("%q", n.name)
			}
		}
	})
}
