package account

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// system makes a root directory with these files.
func system(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const passwd = `root:x:0:0:root:/root:/bin/bash
# no user
broken:x:1
ann:x:1000:100:Ann,,,:/home/ann:/bin/zsh
2000:x:1001:1001:::/bin/sh
bob:x:2000:2000::/home/bob:/bin/sh
odd:x:-1:0::/:/bin/sh
`

const group = `users:x:100:
sudo:x:27:root,ann
wrong:x:many:ann
annex:x:101:joann
staff:x:50:ann
`

func TestAUserIsFoundByNameAndByNumber(t *testing.T) {
	root := system(t, map[string]string{"etc/passwd": passwd, "etc/group": group})
	ann := Account{Name: "ann", UID: 1000, GID: 100, Groups: []uint32{27, 50}, Home: "/home/ann"}
	for user, want := range map[string]Account{
		"ann":  ann,
		"1000": ann,
		"root": {Name: "root", Groups: []uint32{27}, Home: "/root"},
		// A name goes before a number.
		"2000": {Name: "2000", UID: 1001, GID: 1001, Home: "/"},
		"bob":  {Name: "bob", UID: 2000, GID: 2000, Home: "/home/bob"},
	} {
		found, err := Find(root, user)
		if err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("%s: %+v %v", user, found, err)
		}
	}
}

func TestWhoIsNotThereIsNamed(t *testing.T) {
	root := system(t, map[string]string{"etc/passwd": passwd})
	for _, user := range []string{"nobody", "4711", "broken", "odd", ""} {
		if _, err := Find(root, user); err == nil || !strings.Contains(err.Error(), `"`+user+`"`) {
			t.Errorf("%q: %v", user, err)
		}
	}
}

func TestASystemNeedsNoGroups(t *testing.T) {
	found, err := Find(system(t, map[string]string{"etc/passwd": passwd}), "ann")
	if err != nil || found.Groups != nil {
		t.Errorf("%+v %v", found, err)
	}
}

func TestAListThatIsNoFileIsNotWaitedFor(t *testing.T) {
	root := system(t, map[string]string{"etc/hostname": "box"})
	if _, err := Find(root, "ann"); err == nil {
		t.Error("a user was found in no list")
	}
	if err := syscall.Mkfifo(filepath.Join(root, "etc/passwd"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(root, "ann"); err == nil {
		t.Error("a user was found in a pipe")
	}
}
