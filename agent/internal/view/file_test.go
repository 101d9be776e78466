package view

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"opensandbox/agent/internal/protocol"
)

func reading(t *testing.T) *layers {
	l := newLayers(t)
	l.file(l.whole, "workspace/file", "etc/hosts", "caf\xe9")
	l.must(os.Symlink("/etc/hosts", l.whole+"/workspace/absolute"))
	l.must(os.Symlink("../../../etc", l.whole+"/workspace/outside"))
	l.must(os.Symlink("loop", l.whole+"/workspace/loop"))
	l.must(syscall.Mkfifo(l.whole+"/workspace/pipe", 0o600))
	return l
}

func TestFilesAreReadInsideTheView(t *testing.T) {
	v := reading(t).view()
	for path, want := range map[string]string{
		"file": "workspace/file", "/workspace/file": "workspace/file", "absolute": "etc/hosts", "outside/hosts": "etc/hosts",
		"../etc/hosts": "etc/hosts", "../../../etc/hosts": "etc/hosts", "/caf\xe9": "caf\xe9",
	} {
		var to bytes.Buffer
		if size, err := v.Read(path, 100, &to); err != nil || to.String() != want || size != int64(len(want)) {
			t.Errorf("%s: %q, %d, %v", path, to.String(), size, err)
		}
	}
	for path, want := range map[string]protocol.Code{
		"none": protocol.CodeNotFound, "file/in": protocol.CodeNotFound, "loop": protocol.CodeNotFound,
		".": protocol.CodeNotAFile, "pipe": protocol.CodeNotAFile,
	} {
		var failure *protocol.Error
		if _, err := v.Read(path, 100, nil); !errors.As(err, &failure) || failure.Code != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAFileMayHaveAsManyBytesAsTheLimitSays(t *testing.T) {
	v := reading(t).view()
	var to bytes.Buffer
	if _, err := v.Read("file", 14, &to); err != nil || to.Len() != 14 {
		t.Error(to.Len(), err)
	}
	var failure *protocol.Error
	if _, err := v.Read("file", 13, &to); !errors.As(err, &failure) || failure.Code != protocol.CodeTooLarge {
		t.Error(err)
	}
}

func TestOnlyRegularFilesHaveADigest(t *testing.T) {
	paths := []string{"/etc/hosts", "/workspace/absolute", "/workspace/outside/hosts", "/workspace/pipe", "/etc", "/none"}
	got, err := reading(t).view().Digest(paths)
	if err != nil {
		t.Fatal(err)
	}
	// printf etc/hosts | sha256sum
	const want = "9d52768bf1e23378f9d2027518552a6e0cb75b167b8e0b552835efd807be392a"
	if got[0] == nil || *got[0] != want {
		t.Errorf("%v", *got[0])
	}
	for i, digest := range got[1:] {
		if digest != nil {
			t.Errorf("%s has the digest %s", paths[i+1], *digest)
		}
	}
}
