package ports

import (
	"os"
	"path/filepath"
	"testing"
)

const list = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0202000A:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
   3: 00000000000000000000000000000000:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0 0 0 0 4
   4: 00000000000000000000000001000000:1F94 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0 0 0 0 5
   5: 0100007F:nonsense 00000000:0000 0A
   6:
`

func TestAPortIsListenedOnWhereTheLoopbackInterfaceReachesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tcp")
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[int]bool{
		8080: true,  // 127.0.0.1
		8081: false, // a connection
		8082: false, // another address of the machine
		8083: true,  // every address
		8084: true,  // ::1
		8085: false, // nothing
	}
	for port, listened := range want {
		if listens(path, port) != listened {
			t.Errorf("port %d: %v", port, !listened)
		}
	}
	if listens(path+"6", 8080) {
		t.Error("a list that is not there")
	}
}
