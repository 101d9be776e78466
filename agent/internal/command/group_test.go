package command

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// openGroups makes groups in a plain directory: what is tested here is only which directories there are.
func openGroups(t *testing.T) (groups *Groups, names func() []string) {
	t.Helper()
	directory := t.TempDir()
	groups, err := OpenGroups(directory)
	if err != nil {
		t.Fatal(err)
	}
	return groups, func() []string {
		found, err := filepath.Glob(filepath.Join(directory, "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range found {
			found[i] = strings.TrimPrefix(path, directory+"/")
		}
		return found
	}
}

func TestAGroupIsReadyBeforeTheCommandThatGetsIt(t *testing.T) {
	groups, names := openGroups(t)
	before := names()
	if len(before) != 1 {
		t.Fatalf("%v is ready", before)
	}
	first, err := groups.create(false)
	if err != nil || first.path != before[0] {
		t.Errorf("%v, %v", first, err)
	}
	// A command that begins meanwhile gets one of its own.
	second, err := groups.create(false)
	if err != nil || second.path == first.path {
		t.Errorf("%v, %v", second, err)
	}
	groups.retire(first)
	if after := names(); len(after) != 2 || after[0] == first.path || after[1] == first.path {
		t.Errorf("%v are left", after)
	}
}

func TestTheBackgroundHasGroupsOfItsOwn(t *testing.T) {
	groups, names := openGroups(t)
	made, err := groups.create(true)
	if err != nil || filepath.Dir(made.path) != "background" || !made.exists() {
		t.Errorf("%v, %v", made, err)
	}
	if after := names(); len(after) != 2 || filepath.Dir(after[1]) != "foreground" {
		t.Errorf("%v are there, with the one for the next command", after)
	}
}

func TestAGroupThatACommandRemovedIsGivenToNone(t *testing.T) {
	groups, names := openGroups(t)
	ready := names()[0]
	parent, err := os.Readlink(filepath.Join("/proc/self/fd", strconv.Itoa(groups.parent)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(parent, ready)); err != nil {
		t.Fatal(err)
	}
	if made, err := groups.create(false); err != nil || made.path == ready || !made.exists() {
		t.Errorf("%v, %v", made, err)
	}
}
