package dirt

import "testing"

func TestWithoutAWatchNothingIsKnown(t *testing.T) {
	var none *Watch
	if _, known := none.Count(); known {
		t.Error("counted by nothing")
	}
}

func TestWhatIsNoGroupOfCountersGivesNoCount(t *testing.T) {
	if _, known := (&Watch{leader: -1}).Count(); known {
		t.Error("counted by a descriptor that is closed")
	}
}
