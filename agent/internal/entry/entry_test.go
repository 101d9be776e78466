package entry

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
)

func TestTimesReachAsFarAsADiskDoes(t *testing.T) {
	for time, want := range map[syscall.Timespec]string{
		{Sec: 0, Nsec: 5}:                "5",
		{Sec: -2, Nsec: 1}:               "-1999999999",
		{Sec: 15032385535, Nsec: 999999}: "15032385535000999999",
	} {
		if got := nanoseconds(time); got != want {
			t.Errorf("%v is %s", time, got)
		}
	}
}

func TestOfManyNamesTheFirstAreHeld(t *testing.T) {
	directory := t.TempDir()
	for i := 0; i < 3*batch; i++ {
		if err := os.WriteFile(filepath.Join(directory, fmt.Sprintf("%05d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := syscall.Open(directory, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	got, cut, err := Names(3, fd, -1, fd)
	if err != nil || !cut {
		t.Error(cut, err)
	}
	if want := []string{"00000", "00001", "00002"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if got, cut, _ := Names(3*batch, fd, fd); len(got) != 3*batch || cut {
		t.Errorf("%d names, cut is %v", len(got), cut)
	}
}
