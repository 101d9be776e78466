package view

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"opensandbox/agent/internal/protocol"
)

// changes are the view's, each as its path and the types of what was and what is there.
func changes(t *testing.T, v *View, limit int) (lines []string, truncated bool) {
	t.Helper()
	truncated, err := v.Changes(limit, func(change protocol.Change) error {
		lines = append(lines, fmt.Sprintf("%s %s>%s", change.Path, typeIn(change.Was), typeIn(change.Now)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, truncated
}

func typeIn(state *protocol.FileState) string {
	if state == nil {
		return ""
	}
	return string(state.Type)
}

const enough = 1000

func TestWhatIsOnTheDiskIsComparedWithTheBase(t *testing.T) {
	l := newLayers(t)
	l.file(l.base, "etc/kept", "etc/changed", "etc/replaced/in", "usr/untouched")
	l.file(l.upper, "etc/changed", "etc/added/in", "etc/replaced", "-first")
	l.must(os.Symlink("nowhere", l.upper+"/etc/link"))
	l.must(syscall.Mkfifo(l.upper+"/pipe", 0o600))
	got, truncated := changes(t, l.view(), enough)
	equal(t, got, []string{
		"/ d>d", "/-first >f", "/etc d>d", "/etc/added >d", "/etc/added/in >f", "/etc/changed f>f", "/etc/link >l",
		"/etc/replaced d>f", "/etc/replaced/in f>", "/pipe >o",
	})
	if truncated {
		t.Error("there is no more")
	}
}

func TestWhatIsDeletedIsListedWithAllThatWasInIt(t *testing.T) {
	l := newLayers(t)
	l.file(l.base, "a/b/c", "a/d", "file")
	l.whiteout("a")
	l.whiteout("file")
	l.whiteout("never-there")
	got, _ := changes(t, l.view(), enough)
	equal(t, got, []string{"/ d>d", "/a d>", "/a/b d>", "/a/b/c f>", "/a/d f>", "/file f>"})
}

func TestADirectoryThatWasMadeAnewHidesTheOldOne(t *testing.T) {
	l := newLayers(t)
	l.file(l.base, "a/old", "a/both", "a/sub/old")
	l.file(l.upper, "a/both", "a/new", "a/sub/new")
	l.mark("a", "opaque", "y")
	got, _ := changes(t, l.view(), enough)
	equal(t, got, []string{
		"/ d>d", "/a d>d", "/a/both f>f", "/a/new >f", "/a/old f>", "/a/sub d>d", "/a/sub/new >f", "/a/sub/old f>",
	})
}

func TestADirectoryThatWasMovedIsListedWhole(t *testing.T) {
	l := newLayers(t)
	l.file(l.base, "from/kept", "from/sub/deep", "to/hidden")
	l.whiteout("from")
	l.mark("to", "redirect", "/from")
	l.file(l.upper, "to/added")
	l.file(l.whole, "to/kept", "to/sub/deep", "to/added")
	got, _ := changes(t, l.view(), enough)
	equal(t, got, []string{
		"/ d>d", "/from d>", "/from/kept f>", "/from/sub d>", "/from/sub/deep f>",
		"/to d>d", "/to/added >f", "/to/hidden f>", "/to/kept >f", "/to/sub >d", "/to/sub/deep >f",
	})
}

func TestAListThatIsCutOffIsTheBeginningOfTheWholeOne(t *testing.T) {
	l := newLayers(t)
	for i := 0; i < 40; i++ {
		l.file(l.upper, fmt.Sprintf("%d/%d/%d", i%3, i%5, i), fmt.Sprintf("%d/%d.txt", i%3, i))
		l.file(l.base, fmt.Sprintf("%d/%d/%d", i%2, i%7, i))
	}
	whole, _ := changes(t, l.view(), enough)
	for limit := 1; limit <= len(whole)+1; limit++ {
		got, truncated := changes(t, l.view(), limit)
		if truncated != (limit < len(whole)) {
			t.Errorf("at %d of %d, truncated is %v", limit, len(whole), truncated)
		}
		equal(t, got, whole[:len(got)])
		if len(got) != limit && truncated {
			t.Errorf("%d changes for a limit of %d", len(got), limit)
		}
	}
}

func TestWhatNoPathReachesEndsTheList(t *testing.T) {
	l := newLayers(t)
	directory, err := syscall.Open(l.upper, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	l.must(err)
	name := strings.Repeat("d", 255)
	for depth := 0; depth < 20; depth++ {
		l.must(syscall.Mkdirat(directory, name, 0o755))
		deeper, err := syscall.Openat(directory, name, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		l.must(err)
		l.must(syscall.Close(directory))
		directory = deeper
	}
	l.must(syscall.Close(directory))
	l.file(l.upper, "e")
	got, truncated := changes(t, l.view(), enough)
	if len(got) != 1+maxPath/256 || !truncated {
		t.Errorf("%d changes, truncated is %v", len(got), truncated)
	}
}

func TestTheStateOfAFileIsWhatTheFileSystemSays(t *testing.T) {
	l := newLayers(t)
	l.must(os.WriteFile(l.upper+"/caf\xe9", []byte("12345"), 0o600))
	l.must(os.Symlink("to\xff", l.upper+"/link"))
	var info syscall.Stat_t
	l.must(syscall.Stat(l.upper+"/caf\xe9", &info))
	var got []protocol.Change
	_, err := l.view().Changes(enough, func(change protocol.Change) error {
		got = append(got, change)
		return nil
	})
	l.must(err)
	want := protocol.FileState{
		Type: "f", Mode: 0o600, UID: uint32(os.Getuid()), GID: info.Gid, Size: 5, MtimeNs: fmt.Sprint(info.Mtim.Nano()),
		CtimeNs: fmt.Sprint(info.Ctim.Nano()), Ino: fmt.Sprint(info.Ino),
	}
	if got[1].Path != "/caf\uefe9" || *got[1].Now != want {
		t.Errorf("%s: %+v, not %+v", got[1].Path, *got[1].Now, want)
	}
	if *got[2].Now.Target != "to\uefff" {
		t.Errorf("%q", *got[2].Now.Target)
	}
}
