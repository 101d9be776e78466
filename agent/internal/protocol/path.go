package protocol

import (
	"strings"
	"unicode/utf8"
)

// Paths are bytes, JSON has only text. A byte of a path that is no part of UTF-8 travels as a code point of its own in
// Unicode's private area; should a name have such a code point itself, each of its bytes travels in that way. So
// whatever the path, its text is that of no other, and gives it back.
const (
	firstEscape = 0xEF80
	lastEscape  = 0xEFFF
	escapeBase  = 0xEF00
)

// PathText makes a path fit for JSON.
func PathText(path string) string {
	var text strings.Builder
	for at := 0; at < len(path); {
		char, size := utf8.DecodeRuneInString(path[at:])
		invalid := char == utf8.RuneError && size == 1
		if invalid || firstEscape <= char && char <= lastEscape {
			for _, b := range []byte(path[at : at+size]) {
				text.WriteRune(escapeBase + rune(b))
			}
		} else {
			text.WriteString(path[at : at+size])
		}
		at += size
	}
	return text.String()
}

// PathBytes undoes PathText.
func PathBytes(text string) string {
	var path strings.Builder
	for _, char := range text {
		if firstEscape <= char && char <= lastEscape {
			path.WriteByte(byte(char))
		} else {
			path.WriteRune(char)
		}
	}
	return path.String()
}
