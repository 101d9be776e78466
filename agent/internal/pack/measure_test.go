package pack

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	"opensandbox/agent/internal/protocol"
)

func TestWhatIsMeasuredIsWhatAnArchiveHolds(t *testing.T) {
	top := tree(t)
	var archive bytes.Buffer
	must(t, Pack(top, &archive))
	var held Size
	for reader := tar.NewReader(&archive); ; held.Files++ {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		held.Bytes += header.Size
	}
	measured, err := Measure(top)
	must(t, err)
	if measured != held || held.Bytes == 0 {
		t.Errorf("measured %v, held %v", measured, held)
	}
	if _, err := Measure(top + "/none"); err.(*protocol.Error).Code != protocol.CodeNotFound {
		t.Errorf("%v", err)
	}
}
