package identity

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestTheHostsFileKnowsTheMachineOnce(t *testing.T) {
	for before, after := range map[string]string{
		"":                    "127.0.1.1\tbox\n",
		"127.0.0.1 localhost": "127.0.0.1 localhost\n127.0.1.1\tbox\n",
		"127.0.0.1 localhost\n127.0.1.1 old\n::1 ip6\n": "127.0.0.1 localhost\n127.0.1.1\tbox\n::1 ip6\n",
		"127.0.1.1\tbox\n": "127.0.1.1\tbox\n",
	} {
		if got := string(withHost([]byte(before), "box")); got != after {
			t.Errorf("%q becomes %q", before, got)
		}
	}
}

func TestAFileIsReplacedOnlyWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostname")
	inode := func() uint64 {
		var info syscall.Stat_t
		if err := syscall.Stat(path, &info); err != nil {
			t.Fatal(err)
		}
		return info.Ino
	}
	write := func(content string) uint64 {
		if err := replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Fatalf("%q, %v", got, err)
		}
		return inode()
	}
	first := write("box\n")
	if write("box\n") != first {
		t.Error("the same content was written again")
	}
	if write("other\n") == first {
		t.Error("the file was changed in place")
	}
}

func TestWhatIsNoPlainFileIsReplacedWithoutBeingOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "machine-id")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace(path, []byte("id\n")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Error(info, err)
	}
}
