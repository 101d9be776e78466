package protocol

import (
	"errors"
	"fmt"
)

// The requests about single files. Their paths are PathText, relative to the workspace; but for Remove and Rename, a
// symbolic link at the end of one is followed. What changes something is answered by FilesChanged.

// Stat asks what the file system says of a file.
type Stat struct {
	Op   string `json:"op"`
	Path string `json:"path"`
}

// StatDone is the result of a stat.
type StatDone struct {
	OK    bool      `json:"ok"`
	State FileState `json:"state"`
}

// List asks what a directory holds, so many levels deep. It is answered by one ListEntry a line, as output.
type List struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Depth int    `json:"depth"`
	Limit int    `json:"limit"`
}

// ListEntry is something in a directory. Its path is PathText, relative to the directory that is listed.
type ListEntry struct {
	Path  string    `json:"path"`
	State FileState `json:"state"`
}

// ListDone follows the entries: there were more when they are cut off.
type ListDone struct {
	OK        bool `json:"ok"`
	Truncated bool `json:"truncated"`
}

// ReadFile asks for a regular file's content, as output, from an offset and to its end unless there is a length. The
// event FileOpened comes first.
type ReadFile struct {
	Op     string `json:"op"`
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Length *int64 `json:"length,omitempty"`
}

// FileOpened says that there is such a file, and how long it is.
type FileOpened struct {
	Size int64 `json:"size"`
}

// WriteFile puts the stream's input in the place of a file's content, or after it. Until all of it has come nothing has
// changed. Without a mode or an owner a file keeps its own.
type WriteFile struct {
	Op     string  `json:"op"`
	Path   string  `json:"path"`
	Append bool    `json:"append"`
	Mode   *uint32 `json:"mode,omitempty"`
	Owner  *string `json:"owner,omitempty"`
	Sync   bool    `json:"sync"`
}

// Mkdir makes a directory, and those above it.
type Mkdir struct {
	Op    string  `json:"op"`
	Path  string  `json:"path"`
	Mode  *uint32 `json:"mode,omitempty"`
	Owner *string `json:"owner,omitempty"`
	Sync  bool    `json:"sync"`
}

// Remove removes a file or a directory, one that holds something only if it is recursive.
type Remove struct {
	Op        string `json:"op"`
	Path      string `json:"path"`
	Recursive bool   `json:"recursive"`
	Sync      bool   `json:"sync"`
}

// Rename gives something another name.
type Rename struct {
	Op        string `json:"op"`
	From      string `json:"from"`
	To        string `json:"to"`
	Overwrite bool   `json:"overwrite"`
	Sync      bool   `json:"sync"`
}

// Copy copies a file, or a directory with all that is in it.
type Copy struct {
	Op        string `json:"op"`
	From      string `json:"from"`
	To        string `json:"to"`
	Overwrite bool   `json:"overwrite"`
	Sync      bool   `json:"sync"`
}

// SetAttributes sets a file's mode, its owner, or both.
type SetAttributes struct {
	Op    string  `json:"op"`
	Path  string  `json:"path"`
	Mode  *uint32 `json:"mode,omitempty"`
	Owner *string `json:"owner,omitempty"`
	Sync  bool    `json:"sync"`
}

// FilesChanged is the result of what changes files.
type FilesChanged struct {
	OK     bool  `json:"ok"`
	SyncUs int64 `json:"syncUs"`
	Wrote  bool  `json:"wrote,omitempty"`
}

// The codes of errors that only these requests have.
const (
	CodeNotADirectory Code = "not_a_directory"
	CodeNotEmpty      Code = "not_empty"
	CodeAlreadyExists Code = "already_exists"
	CodeNoSpace       Code = "no_space"
	CodeNotPermitted  Code = "not_permitted"
	CodeBadPath       Code = "bad_path"
	CodeUnknownOwner  Code = "unknown_owner"
	CodeCancelled     Code = "cancelled"
)

// parseFiles reads and checks a request about single files; nil when it is another one.
func parseFiles(op string, payload []byte) (any, error) {
	switch op {
	case "stat":
		return parse(payload, func(s Stat) error { return checkPath(s.Path) })
	case "list":
		return parse(payload, checkList)
	case "readFile":
		return parse(payload, checkReadFile)
	case "writeFile":
		return parse(payload, func(w WriteFile) error { return checkAttributes(w.Path, w.Mode, w.Owner) })
	case "mkdir":
		return parse(payload, func(m Mkdir) error { return checkAttributes(m.Path, m.Mode, m.Owner) })
	case "remove":
		return parse(payload, func(r Remove) error { return checkPath(r.Path) })
	case "rename":
		return parse(payload, func(r Rename) error { return checkPaths(r.From, r.To) })
	case "copy":
		return parse(payload, func(c Copy) error { return checkPaths(c.From, c.To) })
	case "setAttributes":
		return parse(payload, func(s SetAttributes) error { return checkAttributes(s.Path, s.Mode, s.Owner) })
	}
	return nil, nil
}

// Bounds of what is asked of files: entries and levels of a list, the bits of a mode, the bytes of an owner.
const (
	maxEntries = 1_000_000
	maxDepth   = maxPath / 2
	maxMode    = 0o7777
	maxOwner   = 128
)

func checkList(l List) error {
	if l.Depth < 1 || l.Depth > maxDepth {
		return fmt.Errorf("depth is not 1 to %d", maxDepth)
	}
	if l.Limit < 1 || l.Limit > maxEntries {
		return fmt.Errorf("limit is not 1 to %d", maxEntries)
	}
	return checkPath(l.Path)
}

func checkReadFile(r ReadFile) error {
	if r.Offset < 0 || r.Length != nil && *r.Length < 0 {
		return errors.New("offset or length is below zero")
	}
	return checkPath(r.Path)
}

func checkAttributes(path string, mode *uint32, owner *string) error {
	if mode != nil && *mode > maxMode {
		return fmt.Errorf("mode is above %o", maxMode)
	}
	if owner != nil && (*owner == "" || len(*owner) > maxOwner) {
		return fmt.Errorf("owner is not 1 to %d bytes", maxOwner)
	}
	return checkPath(path)
}

func checkPaths(paths ...string) error {
	for _, path := range paths {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	return nil
}
