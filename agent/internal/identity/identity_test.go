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
		"127.0.1.1\tbox\n":                "127.0.1.1\tbox\n",
		"127.0.1.1\told":                  "127.0.1.1\tbox\n",
		"127.0.1.10\tother\n#127.0.1.1 x": "127.0.1.10\tother\n#127.0.1.1 x\n127.0.1.1\tbox\n",
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
		if err := Replace(path, []byte(content)); err != nil {
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
	if err := Replace(path, []byte("id\n")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Error(info, err)
	}
}

func TestAFileIsOverwrittenWhereItLies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostname")
	if err := os.WriteFile(path, []byte("a longer name\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"box\n", "box\n", "a name that is longer still\n", ""} {
		if err := Overwrite(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Error("it is another file", err)
	}
}

func TestWhatMustNotBeOverwrittenIsReplaced(t *testing.T) {
	for kind, make := range map[string]func(path, other string) error{
		"nothing":              func(string, string) error { return nil },
		"a link":               func(path, other string) error { return os.Symlink(other, path) },
		"a second name":        func(path, other string) error { return os.Link(other, path) },
		"what would never end": func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		directory := t.TempDir()
		path, other := filepath.Join(directory, "machine-id"), filepath.Join(directory, "other")
		if err := os.WriteFile(other, []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := make(path, other); err != nil {
			t.Fatal(err)
		}
		if err := Overwrite(path, []byte("id\n")); err != nil {
			t.Fatal(kind, err)
		}
		for file, want := range map[string]string{path: "id\n", other: "other"} {
			if got, err := os.ReadFile(file); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", kind, got, err)
			}
		}
	}
}
