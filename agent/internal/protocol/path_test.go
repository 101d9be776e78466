package protocol

import (
	"testing"
	"unicode/utf8"
)

func TestPathsThatAreNoTextTravelAsText(t *testing.T) {
	for path, text := range map[string]string{
		"/a/\u00e9 \n\"":   "/a/\u00e9 \n\"",
		"/caf\xe9":         "/caf\uefe9",
		"/\xff\xfe/\x80":   "/\uefff\ueffe/\uef80",
		"/\uef80":          "/\uefee\uefbe\uef80",
		"/\ufffd":          "/\ufffd",
		"/\xed\xa0\x80end": "/\uefed\uefa0\uef80end",
	} {
		if got := PathText(path); got != text {
			t.Errorf("%q becomes %q", path, got)
		}
	}
}

func FuzzPathText(f *testing.F) {
	f.Add("/caf\xe9", "/\uef80")
	f.Add("/\xf0\x9f\x98", "/\xef\xbe")
	f.Fuzz(func(t *testing.T, one, other string) {
		text := PathText(one)
		if !utf8.ValidString(text) || PathBytes(text) != one {
			t.Fatalf("%q becomes %q, and that %q", one, text, PathBytes(text))
		}
		if one != other && text == PathText(other) {
			t.Fatalf("%q and %q both become %q", one, other, text)
		}
	})
}
