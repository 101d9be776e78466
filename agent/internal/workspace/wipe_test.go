package workspace

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func wipe(t *testing.T, path string) {
	t.Helper()
	if err := Wipe(path, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(path)
	if err != nil || len(names) != 0 {
		t.Fatalf("left: %v, %v", names, err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeDir|0o755 {
		t.Fatalf("the workspace is %v, %v", info, err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEverythingInsideIsDeletedAndNothingOutside(t *testing.T) {
	top := t.TempDir()
	space, outside := filepath.Join(top, "workspace"), filepath.Join(top, "outside")
	must(t, os.MkdirAll(space+"/a/b/c", 0o755), os.MkdirAll(outside+"/kept", 0o755),
		os.WriteFile(space+"/a/b/file", []byte("x"), 0o400), os.WriteFile(outside+"/file", []byte("x"), 0o600),
		os.Symlink(outside, space+"/link"), os.Symlink(outside, space+"/a/link"), os.Symlink("nowhere", space+"/dangling"),
		syscall.Mkfifo(space+"/fifo", 0o600), os.Chmod(space+"/a/b", 0o700))
	for i := 0; i < 2*batch; i++ {
		must(t, os.WriteFile(filepath.Join(space, "a", "f"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+time.Duration(i).String()), nil, 0o600))
	}
	wipe(t, space)
	if _, err := os.Stat(outside + "/kept"); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(outside + "/file"); err != nil || string(content) != "x" {
		t.Error(string(content), err)
	}
}

func TestATreeDeeperThanAnyPathIsDeleted(t *testing.T) {
	space := t.TempDir()
	directory, err := syscall.Open(space, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	must(t, err)
	name := strings.Repeat("d", 100)
	for depth := 0; depth < 1000; depth++ {
		must(t, syscall.Mkdirat(directory, name, 0o755))
		deeper, err := syscall.Openat(directory, name, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		must(t, err, syscall.Close(directory))
		directory = deeper
	}
	must(t, syscall.Close(directory))
	wipe(t, space)
}

func TestAWorkspaceThatIsMissingOrReplacedIsMade(t *testing.T) {
	top := t.TempDir()
	space, outside := filepath.Join(top, "workspace"), filepath.Join(top, "outside")
	must(t, os.MkdirAll(outside+"/kept", 0o755))
	wipe(t, space)
	must(t, os.Remove(space), os.Symlink(outside, space))
	wipe(t, space)
	if _, err := os.Stat(outside + "/kept"); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(space), os.WriteFile(space, nil, 0o600))
	wipe(t, space)
}

func TestTheDeadlineEndsIt(t *testing.T) {
	space := t.TempDir()
	must(t, os.WriteFile(space+"/file", nil, 0o600))
	if err := Wipe(space, time.Now().Add(-time.Second)); err == nil || !strings.Contains(err.Error(), "1 entries") {
		t.Errorf("%v", err)
	}
}

func TestMountPointsAreFoundByTheirPath(t *testing.T) {
	table := `22 1 0:5 / / rw - overlay overlay rw
23 22 0:6 / /workspace rw - tmpfs tmpfs rw
24 23 0:7 / /workspace/a\040b\134c rw - tmpfs tmpfs rw
25 22 0:8 / /workspaces rw - tmpfs tmpfs rw
nonsense
`
	if got := mountPoints(table, "/workspace"); !reflect.DeepEqual(got, []string{"/workspace", `/workspace/a b\c`}) {
		t.Errorf("%q", got)
	}
}

func FuzzMountPoints(f *testing.F) {
	f.Add(`24 23 0:7 / /workspace/a\040b rw`)
	f.Add(`24 23 0:7 / /workspace/\9\ rw`)
	f.Fuzz(func(t *testing.T, table string) {
		for _, point := range mountPoints(table, "/workspace") {
			if point != "/workspace" && !strings.HasPrefix(point, "/workspace/") {
				t.Errorf("%q", point)
			}
		}
	})
}
