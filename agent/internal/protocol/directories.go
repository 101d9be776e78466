package protocol

// The requests about whole directories. Their paths are PathText, relative to the workspace.

// Pack asks for what is in a directory, as a tar stream for output.
type Pack struct {
	Op   string `json:"op"`
	Path string `json:"path"`
}

// Measure asks how much Pack would give.
type Measure struct {
	Op   string `json:"op"`
	Path string `json:"path"`
}

// Unpack makes in a directory what the tar stream holds that is its input.
type Unpack struct {
	Op   string `json:"op"`
	Path string `json:"path"`
	Sync bool   `json:"sync"`
}

// Watch tells what happens in a directory, or to a file, until it is cancelled: one WatchEvent a line, as output.
type Watch struct {
	Op        string `json:"op"`
	Path      string `json:"path"`
	Recursive bool   `json:"recursive"`
}

// PackDone follows the archive of a directory.
type PackDone struct {
	OK bool `json:"ok"`
}

// MeasureDone says how many files, directories and links there are, and the bytes of the files.
type MeasureDone struct {
	OK    bool  `json:"ok"`
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// UnpackDone says how much was made of an archive.
type UnpackDone struct {
	OK     bool  `json:"ok"`
	Files  int64 `json:"files"`
	Bytes  int64 `json:"bytes"`
	SyncUs int64 `json:"syncUs"`
	Wrote  bool  `json:"wrote,omitempty"`
}

// Watching is the event that a watch is in force.
type Watching struct {
	Watching bool `json:"watching"`
}

// WatchEvent is something that happened in a directory. Its paths are absolute PathText; To is there after a rename only.
type WatchEvent struct {
	Type string `json:"type"`
	Path string `json:"path,omitempty"`
	To   string `json:"to,omitempty"`
}

// WatchDone says that a watch is over: it was cancelled, or the directory is gone.
type WatchDone struct {
	OK bool `json:"ok"`
}

// parseDirectories reads and checks a request about a directory; nil when it is another one.
func parseDirectories(op string, payload []byte) (any, error) {
	switch op {
	case "pack":
		return parse(payload, func(p Pack) error { return checkPath(p.Path) })
	case "measure":
		return parse(payload, func(m Measure) error { return checkPath(m.Path) })
	case "unpack":
		return parse(payload, func(u Unpack) error { return checkPath(u.Path) })
	case "watch":
		return parse(payload, func(w Watch) error { return checkPath(w.Path) })
	}
	return nil, nil
}
