package session

import (
	"bufio"
	"encoding/json"

	"opensandbox/agent/internal/protocol"
)

// changes sends each change as a line of JSON.
func (s *session) changes(st *stream, limit int) (truncated bool, err error) {
	lines := bufio.NewWriterSize(s.stdout(st), protocol.MaxData)
	encoder := json.NewEncoder(lines)
	truncated, err = s.guest.Changes(limit, func(change protocol.Change) error { return encoder.Encode(change) })
	if err != nil {
		return false, err
	}
	return truncated, lines.Flush()
}

func pathBytes(texts []string) []string {
	paths := make([]string, len(texts))
	for i, text := range texts {
		paths[i] = protocol.PathBytes(text)
	}
	return paths
}
