package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"opensandbox/agent/internal/protocol"
)

// world is a workspace in a directory of its own.
type world struct {
	t *testing.T
	Files
}

func newWorld(t *testing.T) *world {
	return &world{t, Files{t.TempDir()}}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) put(path, content string) {
	w.t.Helper()
	w.must(w.Write(path, strings.NewReader(content), false, Attributes{}))
}

func (w *world) holds(path, want string) {
	w.t.Helper()
	got, err := os.ReadFile(w.absolute(path))
	if err != nil || string(got) != want {
		w.t.Errorf("%s holds %q, not %q: %v", path, got, want, err)
	}
}

// tree is all that the workspace holds.
func (w *world) tree() (paths []string) {
	w.t.Helper()
	_, err := w.List(".", 100, 1000, func(entry protocol.ListEntry) error {
		paths = append(paths, entry.Path)
		return nil
	})
	w.must(err)
	return paths
}

func (w *world) isTree(want ...string) {
	w.t.Helper()
	if got := w.tree(); !reflect.DeepEqual(got, want) {
		w.t.Errorf("there are %q, not %q", got, want)
	}
}

func (w *world) fails(err error, want protocol.Code) {
	w.t.Helper()
	var failure *protocol.Error
	if !errors.As(err, &failure) || failure.Code != want {
		w.t.Errorf("%v, not %s", err, want)
	}
}

func bits(mode uint32) *uint32 { return &mode }

func text(owner string) *string { return &owner }

func TestAWriteMakesDirectoriesAndReplacesWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.put("a/b/file", "first")
	w.put("a/b/file", "second")
	w.holds("a/b/file", "second")
	w.isTree("a", "a/b", "a/b/file")
	info, err := os.Stat(w.absolute("a/b/file"))
	if err != nil || info.Mode() != 0o644 {
		t.Error(info.Mode(), err)
	}
}

func TestAFileThatIsReplacedKeepsItsModeUnlessAnotherIsGiven(t *testing.T) {
	w := newWorld(t)
	w.must(w.Write("tool", strings.NewReader("1"), false, Attributes{Mode: bits(0o750)}))
	w.put("tool", "2")
	state, err := w.Stat("tool")
	if err != nil || state.Mode != 0o750 {
		t.Errorf("%o %v", state.Mode, err)
	}
	w.must(w.Write("tool", strings.NewReader("3"), false, Attributes{Mode: bits(0o4711)}))
	if state, _ := w.Stat("tool"); state.Mode != 0o4711 {
		t.Errorf("%o", state.Mode)
	}
}

func TestOwnersAreNumbersOrNames(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	w := newWorld(t)
	for owner, want := range map[string][2]uint32{
		"1234": {1234, 0}, "1234:4321": {1234, 4321}, "5:root": {5, 0},
	} {
		w.must(w.Write(owner, strings.NewReader(""), false, Attributes{Owner: text(owner)}))
		w.put(owner, "replaced")
		state, err := w.Stat(owner)
		if err != nil || state.UID != want[0] || state.GID != want[1] {
			t.Errorf("%s: %d:%d %v", owner, state.UID, state.GID, err)
		}
	}
}

func TestNothingIsMadeForAnOwnerWhoDoesNotExist(t *testing.T) {
	w := newWorld(t)
	for _, owner := range []string{"nobody-at-all", "0:nobody-at-all", "-1", "4294967295", ":"} {
		err := w.Write("a/file", strings.NewReader(""), false, Attributes{Owner: text(owner)})
		w.fails(err, protocol.CodeUnknownOwner)
		w.fails(w.Mkdir("b", Attributes{Owner: text(owner)}), protocol.CodeUnknownOwner)
	}
	w.isTree()
}

// broken gives some content and then fails, as a host does that goes away.
type broken struct{ content io.Reader }

func (b broken) Read(into []byte) (int, error) {
	n, err := b.content.Read(into)
	if err == io.EOF {
		err = errors.New("gone")
	}
	return n, err
}

func TestAWriteThatBreaksOffLeavesEverythingAsItWas(t *testing.T) {
	w := newWorld(t)
	w.put("file", "old")
	for _, appending := range []bool{false, true} {
		for _, path := range []string{"file", "new/deep/file"} {
			content := broken{strings.NewReader(strings.Repeat("x", 1<<20))}
			w.fails(w.Write(path, content, appending, Attributes{}), protocol.CodeIO)
		}
	}
	w.holds("file", "old")
	w.isTree("file")
}

func TestADraftThatNeedsANameLeavesNoneBehind(t *testing.T) {
	w := newWorld(t)
	path := temporary(w.Workspace + "/")
	file, err := os.Create(path)
	w.must(err)
	d := &draft{file: file, parent: w.Workspace + "/", path: path}
	d.close()
	w.isTree()
}

func TestAppendingAddsToTheEndAndKeepsTheFile(t *testing.T) {
	w := newWorld(t)
	for _, content := range []string{"one ", "two ", "", "three"} {
		w.must(w.Write("log", strings.NewReader(content), true, Attributes{}))
	}
	w.holds("log", "one two three")
	before, _ := w.Stat("log")
	w.must(w.Write("log", strings.NewReader("!"), true, Attributes{Mode: bits(0o600)}))
	after, _ := w.Stat("log")
	if before.Ino != after.Ino || after.Mode != 0o600 {
		t.Errorf("%v %v", before, after)
	}
}

func TestAWriteFollowsLinksAlsoToWhereNothingIsYet(t *testing.T) {
	w := newWorld(t)
	w.put("real/file", "old")
	w.must(os.Symlink("real/file", w.absolute("link")))
	w.must(os.Symlink(w.absolute("link"), w.absolute("absolute")))
	w.must(os.Symlink("made/later", w.absolute("dangling")))
	w.must(os.Symlink("ring", w.absolute("ring")))
	w.put("absolute", "new")
	w.holds("real/file", "new")
	w.put("dangling", "later")
	w.holds("made/later", "later")
	w.fails(w.Write("ring", strings.NewReader(""), false, Attributes{}), protocol.CodeBadPath)
	if target, err := os.Readlink(w.absolute("link")); target != "real/file" {
		t.Error(target, err)
	}
}

func TestOnlyRegularFilesAreWrittenAndRead(t *testing.T) {
	w := newWorld(t)
	w.must(syscall.Mkfifo(w.absolute("pipe"), 0o600))
	w.put("directory/file", "")
	for _, path := range []string{"pipe", "directory", "/dev/null"} {
		w.fails(w.Write(path, strings.NewReader("x"), false, Attributes{}), protocol.CodeNotAFile)
		_, err := w.Open(path)
		w.fails(err, protocol.CodeNotAFile)
	}
	for _, path := range []string{".", "..", "directory/..", "/"} {
		w.fails(w.Write(path, strings.NewReader("x"), false, Attributes{}), protocol.CodeBadPath)
		w.fails(w.Remove(path, true), protocol.CodeBadPath)
	}
	w.fails(w.Write("directory/file/in", strings.NewReader("x"), false, Attributes{}), protocol.CodeNotADirectory)
	name := strings.Repeat("n", 256)
	w.fails(w.Write(name, strings.NewReader("x"), false, Attributes{}), protocol.CodeBadPath)
}

func TestAPartOfAFileIsRead(t *testing.T) {
	w := newWorld(t)
	w.put("file", "0123456789")
	length := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		offset int64
		length *int64
		want   string
	}{{0, nil, "0123456789"}, {3, nil, "3456789"}, {3, length(2), "34"}, {8, length(100), "89"}, {20, nil, ""}, {0, length(0), ""}} {
		content, err := w.Open("file")
		w.must(err)
		var to strings.Builder
		size, err := content.Copy(&to, c.offset, c.length)
		content.Close()
		if to.String() != c.want || size != int64(len(c.want)) || content.Size != 10 || err != nil {
			t.Errorf("%v: %q %d %v", c, to.String(), size, err)
		}
	}
}

func TestFilesOfTheKernelAreReadThoughTheyHaveNoLength(t *testing.T) {
	content, err := newWorld(t).Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var to strings.Builder
	if _, err := content.Copy(&to, 0, nil); err != nil || !strings.Contains(to.String(), "Pid:") || content.Size != 0 {
		t.Error(to.String(), content.Size, err)
	}
}

func TestAStatFollowsLinksAndAListDoesNot(t *testing.T) {
	w := newWorld(t)
	w.put("file", "12345")
	w.must(os.Symlink("file", w.absolute("link")))
	state, err := w.Stat("link")
	if err != nil || state.Type != protocol.TypeRegular || state.Size != 5 {
		t.Error(state, err)
	}
	var types []string
	_, err = w.List(".", 1, 10, func(entry protocol.ListEntry) error {
		types = append(types, fmt.Sprintf("%s %s", entry.Path, entry.State.Type))
		return nil
	})
	if want := []string{"file f", "link l"}; !reflect.DeepEqual(types, want) || err != nil {
		t.Error(types, err)
	}
	for _, path := range []string{"none", "file/in"} {
		_, err := w.Stat(path)
		w.fails(err, protocol.CodeNotFound)
	}
	_, err = w.List("file", 1, 10, nil)
	w.fails(err, protocol.CodeNotADirectory)
}

func TestAListGoesSoDeepAndSoFar(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"b/deep/er/file", "a", "c\xff"} {
		w.put(path, "")
	}
	list := func(depth, limit int) (paths []string, truncated bool) {
		truncated, err := w.List(".", depth, limit, func(entry protocol.ListEntry) error {
			paths = append(paths, entry.Path)
			return nil
		})
		w.must(err)
		return paths, truncated
	}
	all := []string{"a", "b", "b/deep", "b/deep/er", "b/deep/er/file", "c\uefff"}
	for depth, want := range map[int][]string{
		1: {"a", "b", "c\uefff"}, 2: {"a", "b", "b/deep", "c\uefff"}, 4: all, 2048: all,
	} {
		if got, truncated := list(depth, 6); !reflect.DeepEqual(got, want) || truncated {
			t.Errorf("%d: %q %v", depth, got, truncated)
		}
	}
	for limit := 1; limit < len(all); limit++ {
		if got, truncated := list(9, limit); !reflect.DeepEqual(got, all[:limit]) || !truncated {
			t.Errorf("%d: %q %v", limit, got, truncated)
		}
	}
}

func TestADirectoryIsMadeOnceWithThoseAboveIt(t *testing.T) {
	w := newWorld(t)
	w.must(w.Mkdir("a/b/c/", Attributes{Mode: bits(0o711)}))
	if state, err := w.Stat("a/b/c"); err != nil || state.Type != protocol.TypeDirectory || state.Mode != 0o711 {
		t.Error(state, err)
	}
	w.fails(w.Mkdir("a/b", Attributes{}), protocol.CodeAlreadyExists)
	w.put("file", "")
	w.fails(w.Mkdir("file", Attributes{}), protocol.CodeAlreadyExists)
	w.fails(w.Mkdir("file/in", Attributes{}), protocol.CodeNotADirectory)
}

func TestARemovalTakesTheLinkAndNotWhatItLeadsTo(t *testing.T) {
	w := newWorld(t)
	w.put("full/file", "")
	w.must(os.Symlink("full", w.absolute("link")))
	w.must(os.Symlink("nowhere", w.absolute("dangling")))
	for _, path := range []string{"link", "dangling"} {
		w.must(w.Remove(path, true))
	}
	w.isTree("full", "full/file")
	w.fails(w.Remove("full", false), protocol.CodeNotEmpty)
	w.must(w.Remove("full", true))
	w.fails(w.Remove("full", true), protocol.CodeNotFound)
	w.isTree()
}

func TestARenameReplacesOnlyWhenItMay(t *testing.T) {
	w := newWorld(t)
	w.put("a", "a")
	w.put("b", "b")
	w.fails(w.Rename("a", "b", false), protocol.CodeAlreadyExists)
	w.must(w.Rename("a", "b", true))
	w.holds("b", "a")
	w.must(w.Rename("b", "deep/er/c", false))
	w.holds("deep/er/c", "a")
	w.fails(w.Rename("none", "new/d", false), protocol.CodeNotFound)
	w.put("full/file", "")
	w.fails(w.Rename("deep", "full", true), protocol.CodeNotEmpty)
	w.fails(w.Rename("deep", "deep/inside", false), protocol.CodeBadPath)
	w.isTree("deep", "deep/er", "deep/er/c", "full", "full/file")
}

func never() bool { return false }

func TestACopyHasAllThatTheOriginalHas(t *testing.T) {
	w := newWorld(t)
	w.put("from/deep/file", "content")
	w.must(w.SetAttributes("from/deep/file", Attributes{Mode: bits(0o640)}))
	w.must(os.Symlink("nowhere", w.absolute("from/link")))
	w.must(syscall.Mkfifo(w.absolute("from/pipe"), 0o600))
	w.must(os.Mkdir(w.absolute("from/empty"), 0o700))
	w.must(syscall.UtimesNano(w.absolute("from/deep"), []syscall.Timespec{{Sec: 5}, {Sec: 7, Nsec: 9}}))
	w.must(w.Copy("from", "to/copy", false, never))
	w.isTree("from", "from/deep", "from/deep/file", "from/empty", "from/link", "from/pipe",
		"to", "to/copy", "to/copy/deep", "to/copy/deep/file", "to/copy/empty", "to/copy/link", "to/copy/pipe")
	w.holds("to/copy/deep/file", "content")
	for path, want := range map[string]uint32{"deep/file": 0o640, "empty": 0o700, "pipe": 0o600} {
		if state, err := w.Stat("to/copy/" + path); err != nil || state.Mode != want {
			t.Errorf("%s: %o %v", path, state.Mode, err)
		}
	}
	if state, _ := w.Stat("to/copy/deep"); state.MtimeNs != "7000000009" {
		t.Error(state.MtimeNs)
	}
}

func TestACopyOfADirectoryIntoItselfEnds(t *testing.T) {
	w := newWorld(t)
	w.put("a/sub/file", "")
	w.must(w.Copy("a", "a/sub/copy", false, never))
	w.isTree("a", "a/sub", "a/sub/copy", "a/sub/copy/sub", "a/sub/copy/sub/file", "a/sub/file")
}

func TestACopyThatFailsOrIsCancelledLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.put("from/file", strings.Repeat("x", 1<<20))
	w.put("there", "")
	w.fails(w.Copy("from/file", "there", false, never), protocol.CodeAlreadyExists)
	w.must(w.Mkdir("full/in", Attributes{}))
	w.fails(w.Copy("from", "full", true, never), protocol.CodeNotEmpty)
	w.fails(w.Copy("none", "new/copy", true, never), protocol.CodeNotFound)
	for steps := 0; steps < 4; steps++ {
		left := steps
		if err := w.Copy("from", "new/copy", false, func() bool { left--; return left < 0 }); err == nil {
			t.Errorf("not cancelled after %d steps", steps)
		}
	}
	w.isTree("from", "from/file", "full", "full/in", "there")
}

func TestNamesMayBeAnyBytes(t *testing.T) {
	w := newWorld(t)
	name := "caf\xe9 \n\"'*\\"
	w.put(name, "content")
	w.must(w.Copy(name, name+"2", false, never))
	w.must(w.Rename(name, filepath.Join("in", name), false))
	w.holds(name+"2", "content")
	w.holds(filepath.Join("in", name), "content")
}
