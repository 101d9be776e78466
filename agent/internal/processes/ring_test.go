package processes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"testing"
	"time"
)

// limit is how long anything that a test waits for may take.
const limit = 20 * time.Second

var both = Wanted{Stdout: true, Stderr: true}

// readAll reads what is there, as one line for each piece, and how much was skipped.
func readAll(reader *Reader) (pieces []Piece, skipped uint64) {
	for {
		piece, more := reader.Next(make([]byte, 1000))
		if !more {
			return pieces, skipped
		}
		if piece.Kind == Skipped {
			skipped += binary.BigEndian.Uint64(piece.Bytes)
		} else {
			pieces = append(pieces, piece)
		}
	}
}

func TestBothOutputsComeInTheOrderInWhichTheyWerePrinted(t *testing.T) {
	ring := newRing()
	ring.append(Stdout, []byte("one "))
	ring.append(Stdout, []byte("two "))
	ring.append(Stderr, []byte("three "))
	ring.append(Stdout, []byte("four"))
	pieces, _ := readAll(ring.read(both))
	shown := ""
	for _, piece := range pieces {
		shown += fmt.Sprintf("%d:%d:%s|", piece.Kind, piece.Next, piece.Bytes)
	}
	if shown != "1:8:one two |2:14:three |1:18:four|" {
		t.Error(shown)
	}
	errors, _ := readAll(ring.read(Wanted{Stderr: true}))
	if len(errors) != 1 || string(errors[0].Bytes) != "three " || errors[0].Next != 14 {
		t.Errorf("%v", errors)
	}
}

func TestTheLastOutputIsKeptAndAReaderIsToldWhatItMissed(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	ring := newRing()
	var all []byte
	for len(all) < 3*ringSize {
		chunk := make([]byte, 1+random.Intn(32*1024))
		random.Read(chunk)
		ring.append(Kind(1+random.Intn(2)), chunk)
		all = append(all, chunk...)
		from := int64(random.Intn(len(all)))
		reader := ring.read(Wanted{Offset: &from, Stdout: true, Stderr: true})
		pieces, skipped := readAll(reader)
		reader.Close()
		var read []byte
		for _, piece := range pieces {
			read = append(read, piece.Bytes...)
			if piece.Next != from+int64(skipped)+int64(len(read)) {
				t.Fatalf("an offset is %d after %d bytes from %d", piece.Next, len(read), from)
			}
		}
		if !bytes.Equal(read, all[from+int64(skipped):]) || (skipped > 0 && len(read) != ringSize) {
			t.Fatalf("%d bytes were read from %d of %d, %d were skipped", len(read), from, len(all), skipped)
		}
	}
}

func TestOutputsThatAlternateInTinyPiecesAreBounded(t *testing.T) {
	ring := newRing()
	for i := 0; i < 3*maxSegments; i++ {
		ring.append(Kind(1+i%2), []byte{byte(i)})
	}
	pieces, _ := readAll(ring.read(both))
	if len(pieces) != maxSegments || len(ring.segments) != maxSegments {
		t.Errorf("%d pieces of %d segments", len(pieces), len(ring.segments))
	}
}

// flood prints as much as a ring holds five times, and says when it is done.
func flood(ring *ring) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; i < 5*ringSize; i += 32 * 1024 {
			ring.append(Stdout, make([]byte, 32*1024))
		}
		ring.close()
	}()
	return done
}

func TestAReaderThatReadsHoldsTheProcessBackAndMissesNothing(t *testing.T) {
	ring := newRing()
	reader := ring.read(Wanted{Stdout: true, Follow: true})
	done := flood(ring)
	read := 0
	for {
		piece, more := reader.Next(make([]byte, 16*1024))
		if !more {
			break
		}
		if piece.Kind != Stdout {
			t.Fatal("something was skipped")
		}
		read += len(piece.Bytes)
	}
	if read != 5*ringSize {
		t.Errorf("%d bytes", read)
	}
	<-done
}

func TestAReaderThatReadsNothingIsWaitedForOnce(t *testing.T) {
	ring := newRing()
	reader := ring.read(Wanted{Stdout: true, Follow: true})
	select {
	case <-flood(ring):
	case <-time.After(limit):
		t.Fatal("the process is held back")
	}
	pieces, skipped := readAll(reader)
	if skipped != 4*ringSize || len(pieces) == 0 {
		t.Errorf("%d bytes were skipped", skipped)
	}
}

func TestAClosedReaderHoldsNobodyBackAndReadsNoMore(t *testing.T) {
	ring := newRing()
	reader := ring.read(Wanted{Stdout: true, Follow: true})
	done := flood(ring)
	waiting := ring.read(Wanted{Follow: true})
	ended := make(chan bool)
	go func() {
		_, more := waiting.Next(make([]byte, 10))
		ended <- more
	}()
	waiting.Close()
	reader.Close()
	<-done
	if more := <-ended; more || len(ring.readers) != 0 {
		t.Errorf("%v, %d readers", more, len(ring.readers))
	}
	if _, more := reader.Next(make([]byte, 10)); more {
		t.Error("a closed reader reads")
	}
}

func TestOnlyThoseWhoWantAnOutputHearIt(t *testing.T) {
	ring := newRing()
	ring.read(Wanted{Follow: true})
	reader := ring.read(Wanted{Stderr: true})
	if ring.append(Stdout, []byte("x")) || !ring.append(Stderr, []byte("x")) {
		t.Error("it is not known who listens")
	}
	reader.Close()
	if ring.append(Stderr, []byte("x")) {
		t.Error("a closed reader counts")
	}
}
