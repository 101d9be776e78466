package boot

import "testing"

func TestTheAgentKeepsMemoryForItself(t *testing.T) {
	const mega = 1 << 20
	for total, want := range map[uint64]uint64{1000 * mega: 900 * mega, 256 * mega: 208 * mega, 32 * mega: 0} {
		if got := commandMemory(total); got != want {
			t.Errorf("of %d the commands get %d, not %d", total, got, want)
		}
	}
}
