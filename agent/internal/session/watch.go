package session

import (
	"bufio"
	"encoding/json"

	"opensandbox/agent/internal/protocol"
	"opensandbox/agent/internal/watch"
)

// watch sends each event as a line of JSON, until the stream is cancelled.
func (s *session) watch(st *stream, request protocol.Watch) error {
	watcher, err := s.guest.Watch(protocol.PathBytes(request.Path), request.Recursive)
	if err != nil {
		return err
	}
	defer watcher.Close()
	st.whenCancelled(watcher.Close)
	if err := s.event(st, protocol.Watching{Watching: true}); err != nil {
		return err
	}
	lines := bufio.NewWriterSize(s.stdout(st), protocol.MaxData)
	encoder := json.NewEncoder(lines)
	return watcher.Run(func(events []watch.Event) error {
		for _, event := range events {
			line := protocol.WatchEvent{
				Type: string(event.Type), Path: protocol.PathText(event.Path), To: protocol.PathText(event.To),
			}
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
		return lines.Flush()
	})
}
