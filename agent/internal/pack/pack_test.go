package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"opensandbox/agent/internal/protocol"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// tree makes a directory with one of each kind, and odd names.
func tree(t *testing.T) string {
	top := t.TempDir()
	long := strings.Repeat("l", 200)
	must(t,
		os.MkdirAll(top+"/a/"+long+"/"+long, 0o750), os.Mkdir(top+"/empty", 0o711),
		os.WriteFile(top+"/a/file", []byte("content"), 0o640), os.WriteFile(top+"/a/"+long+"/"+long+"/deep", nil, 0o600),
		os.WriteFile(top+"/caf\xe9 \n*", []byte{0, 255}, 0o644), os.WriteFile(top+"/größe", []byte("ü"), 0o644),
		os.Symlink("../nowhere\xff", top+"/a/link"), os.Link(top+"/a/file", top+"/second"),
		syscall.Mkfifo(top+"/pipe", 0o600), os.Chmod(top+"/a/file", 0o4640),
		os.Chtimes(top+"/a/file", time.Unix(5, 0), time.Unix(1_000_000_000, 123_456_789)),
		os.Chtimes(top+"/empty", time.Unix(5, 0), time.Unix(-7, 0)),
	)
	return top
}

// shown lists all below a directory, each with what an archive keeps of it.
func shown(t *testing.T, top string) []string {
	t.Helper()
	var lines []string
	must(t, filepath.Walk(top, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == top || info.Mode()&os.ModeNamedPipe != 0 {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			bytes, err := os.ReadFile(path)
			must(t, err)
			content = string(bytes)
		case info.Mode()&os.ModeSymlink != 0:
			content, err = os.Readlink(path)
			must(t, err)
		}
		line := strings.Join([]string{path[len(top):], info.Mode().String(), info.ModTime().UTC().String(), content}, " ")
		lines = append(lines, line)
		return nil
	}))
	sort.Strings(lines)
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nnot\n%s", g, w)
	}
}

func TestATreeComesBackAsItWas(t *testing.T) {
	from, to := tree(t), t.TempDir()
	var archive bytes.Buffer
	must(t, Pack(from, &archive))
	unpacked, err := Unpack(to+"/new/one", &archive)
	must(t, err)
	same(t, shown(t, to+"/new/one"), shown(t, from))
	if unpacked.Files != 10 || unpacked.Bytes != 7+2+2 {
		t.Errorf("%+v", unpacked)
	}
	first, err := os.Stat(to + "/new/one/a/file")
	must(t, err)
	second, err := os.Stat(to + "/new/one/second")
	must(t, err)
	if !os.SameFile(first, second) {
		t.Error("two names of one file have become two files")
	}
}

func TestZerosBecomeHoles(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	content := make([]byte, 9<<20+5)
	copy(content[4<<20:], "in the middle")
	content[len(content)-1] = 1
	must(t, os.WriteFile(from+"/sparse", content, 0o600), os.WriteFile(from+"/zeros", make([]byte, 100_001), 0o600))
	var archive bytes.Buffer
	must(t, Pack(from, &archive))
	_, err := Unpack(to, &archive)
	must(t, err)
	same(t, shown(t, to), shown(t, from))
	var info syscall.Stat_t
	must(t, syscall.Stat(to+"/sparse", &info))
	if info.Blocks*512 > 1<<20 {
		t.Errorf("9 MiB of zeros take %d bytes", info.Blocks*512)
	}
}

func TestWhatIsNoDirectoryIsNotPacked(t *testing.T) {
	top := tree(t)
	for path, want := range map[string]protocol.Code{
		top + "/none": protocol.CodeNotFound, top + "/second": protocol.CodeNotADirectory,
		top + "/pipe": protocol.CodeNotADirectory,
	} {
		var failure *protocol.Error
		if err := Pack(path, io.Discard); !errors.As(err, &failure) || failure.Code != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAnArchiveWhoseReaderIsGoneIsGivenUp(t *testing.T) {
	gone := errors.New("gone")
	if err := Pack(tree(t), failing{gone}); !errors.Is(err, gone) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestWhatIsThereIsReplacedAndTheRestStays(t *testing.T) {
	top := t.TempDir()
	outside := t.TempDir()
	must(t, os.Mkdir(top+"/directory", 0o700), os.WriteFile(top+"/directory/kept", nil, 0o600),
		os.WriteFile(top+"/file", []byte("old and longer"), 0o600), os.Symlink(outside, top+"/link"),
		os.Link(top+"/file", top+"/other"))
	_, err := Unpack(top, archiveOf(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "directory/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o644, Size: 3},
		tar.Header{Typeflag: tar.TypeDir, Name: "link/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "./link/./made", Mode: 0o644},
	))
	must(t, err)
	for path, want := range map[string]string{"/directory/kept": "", "/file": "xxx", "/other": "old and longer", "/link/made": ""} {
		if got, err := os.ReadFile(top + path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Error("something was made outside")
	}
}

// archiveOf makes an archive of headers as they are; the content of files is the letter x.
func archiveOf(t *testing.T, headers ...tar.Header) io.Reader {
	t.Helper()
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for i := range headers {
		must(t, writer.WriteHeader(&headers[i]))
		if headers[i].Typeflag == tar.TypeReg {
			_, err := writer.Write(bytes.Repeat([]byte("x"), int(headers[i].Size)))
			must(t, err)
		}
	}
	must(t, writer.Close())
	return &archive
}

func TestNoArchiveReachesOutOfItsDirectory(t *testing.T) {
	file := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: 3}
	}
	link := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	hard := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
	}
	for what, headers := range map[string][]tar.Header{
		"an absolute name":               {file("/outside/new")},
		"a name with ..":                 {file("../outside/new")},
		"a name with .. inside":          {file("a/../../outside/new")},
		"a name through its own link":    {link("to", "../outside"), file("to/new")},
		"a name through an absolute one": {link("to", "OUTSIDE"), file("to/new")},
		"a name through two links":       {link("a", ".."), link("b", "a/outside"), file("b/new")},
		"a directory through a link":     {link("to", "../outside"), {Typeflag: tar.TypeDir, Name: "to/new/", Mode: 0o755}},
		"a name through an older link":   {file("old/new")},
		"a hard link to an absolute":     {hard("mine", "/outside/kept")},
		"a hard link with ..":            {hard("mine", "../outside/kept")},
		"a hard link through a link":     {link("to", "../outside"), hard("mine", "to/kept")},
		"a link through a link":          {link("to", "../outside"), link("to/new", "x")},
		"a device":                       {{Typeflag: tar.TypeBlock, Name: "disk", Mode: 0o666, Devmajor: 254}},
		"a character device":             {{Typeflag: tar.TypeChar, Name: "mem", Mode: 0o666, Devmajor: 1, Devminor: 1}},
		"a pipe":                         {{Typeflag: tar.TypeFifo, Name: "pipe", Mode: 0o666}},
		"a file in a file":               {file("a"), file("a/b")},
		"a file in a directory's place":  {{Typeflag: tar.TypeDir, Name: "a/b/", Mode: 0o755}, file("a")},
		"a name that is too long":        {file(strings.Repeat("x/", 2100) + "y")},
	} {
		t.Run(what, func(t *testing.T) {
			top := t.TempDir()
			must(t, os.MkdirAll(top+"/inside", 0o755), os.Mkdir(top+"/outside", 0o755),
				os.WriteFile(top+"/outside/kept", []byte("kept"), 0o600), os.Symlink("../outside", top+"/inside/old"))
			for i := range headers {
				headers[i].Linkname = strings.Replace(headers[i].Linkname, "OUTSIDE", top+"/outside", 1)
			}
			_, err := Unpack(top+"/inside", archiveOf(t, headers...))
			var failure *protocol.Error
			if !errors.As(err, &failure) || failure.Code != protocol.CodeBadArchive {
				t.Errorf("%v", err)
			}
			names, err := os.ReadDir(top + "/outside")
			must(t, err)
			info, err := os.Stat(top + "/outside/kept")
			must(t, err)
			if len(names) != 1 || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Nlink != 1 {
				t.Errorf("outside is now %v, kept %v", names, info.Mode())
			}
		})
	}
}

func TestAFileThatClaimsMoreThanTheDiskHasIsRefused(t *testing.T) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	must(t, writer.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "huge", Size: 1 << 60}))
	var failure *protocol.Error
	if _, err := Unpack(t.TempDir(), &archive); !errors.As(err, &failure) || failure.Code != protocol.CodeBadArchive {
		t.Error(err)
	}
}

func TestAnArchiveThatBreaksOffLeavesNoHalfFile(t *testing.T) {
	whole, err := io.ReadAll(archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o644, Size: 200_000}))
	must(t, err)
	for what, reader := range map[string]struct {
		rest io.Reader
		want error
	}{
		"an end":   {strings.NewReader(""), nil},
		"a cancel": {failing{errors.New("cancelled")}, errors.New("cancelled")},
	} {
		top := t.TempDir()
		_, err := Unpack(top, io.MultiReader(bytes.NewReader(whole[:100_000]), reader.rest))
		var failure *protocol.Error
		bad := errors.As(err, &failure) && failure.Code == protocol.CodeBadArchive
		if bad != (reader.want == nil) || err == nil || reader.want != nil && err.Error() != reader.want.Error() {
			t.Errorf("%s: %v", what, err)
		}
		if left, _ := os.ReadDir(top); len(left) != 0 {
			t.Errorf("%s: %v is left", what, left)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, header := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "a/", Mode: 0o755}, {Typeflag: tar.TypeReg, Name: "a/b", Mode: 0o644, Size: 3},
		{Typeflag: tar.TypeSymlink, Name: "a/c", Linkname: "../.."}, {Typeflag: tar.TypeLink, Name: "d", Linkname: "a/b"},
	} {
		writer.WriteHeader(&header)
		if header.Size > 0 {
			writer.Write([]byte("xyz"))
		}
	}
	writer.Close()
	f.Add(archive.Bytes())
	f.Add([]byte("no archive at all"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		top := t.TempDir()
		must(t, os.Mkdir(top+"/inside", 0o755))
		Unpack(top+"/inside", bytes.NewReader(archive))
		if names, err := os.ReadDir(top); err != nil || len(names) != 1 {
			t.Errorf("%v, %v", names, err)
		}
	})
}
