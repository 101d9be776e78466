package disk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADiskIsCleanFromTheCountBeforeASyncUntilThatRises(t *testing.T) {
	d := &Disk{writes: &writeCount{}}
	if d.cleanSince(0) {
		t.Error("clean before any sync")
	}
	d.settle(5, true)
	if !d.cleanSince(5) || d.cleanSince(6) {
		t.Error("not clean at 5, or still clean at 6")
	}
	d.settle(0, false)
	if d.cleanSince(0) || d.cleanSince(5) {
		t.Error("clean by a count that is not known")
	}
}

func TestASyncSaysThatTheDeviceWasWrittenToSinceTheLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stat")
	device := func(line string) {
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	device("9 9 9 9 1 9 8 9 0 9 9 0 9 0 9 9 9\n")
	statistics, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer statistics.Close()
	d := &Disk{writes: &writeCount{statistics}}
	if first, second := d.settle(1, true), d.settle(2, true); !first || second {
		t.Error(first, second)
	}
	device("9 9 9 9 2 9 8 9 0 9 9 0 9 0 9 9 9\n")
	if d.settle(3, true) {
		t.Error("a flush is taken for a write")
	}
	device("9 9 9 9 2 9 8 9 0 9 9 1 9 8 9 9 9\n")
	if !d.settle(3, true) {
		t.Error("a discard is not noticed")
	}
	device("what no kernel says")
	if d.settle(4, true) {
		t.Error("written to, by a count that cannot be read")
	}
}
